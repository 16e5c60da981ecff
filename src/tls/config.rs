//! The configurations of rustls: one that a server can be run with, and one for a client that brings none.

use std::io;
use std::sync::{Arc, OnceLock};

use ::rustls::crypto::CryptoProvider;
use ::rustls::{ClientConfig, ServerConfig};

/// The protocol of ALPN in which a WebSocket is opened (RFC 7301 §6).
const HTTP_1_1: &[u8] = b"http/1.1";

/// The configuration with ALPN for HTTP/1.1, if it has none.
///
/// # Errors
///
/// `InvalidInput`: it offers a protocol that is not served here, or takes early data.
pub(crate) fn check_server(config: Arc<ServerConfig>) -> io::Result<Arc<ServerConfig>> {
    check_alpn(&config.alpn_protocols)?;
    if config.max_early_data_size > 0 {
        return Err(invalid("early data can be replayed: max_early_data_size has to be 0"));
    }
    if !config.alpn_protocols.is_empty() {
        return Ok(config);
    }
    let mut config = ServerConfig::clone(&config);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

/// The same for a client.
#[cfg(feature = "client")]
pub(crate) fn check_client(config: Arc<ClientConfig>) -> io::Result<Arc<ClientConfig>> {
    check_alpn(&config.alpn_protocols)?;
    if !config.alpn_protocols.is_empty() {
        return Ok(config);
    }
    let mut config = ClientConfig::clone(&config);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}

fn check_alpn(protocols: &[Vec<u8>]) -> io::Result<()> {
    match protocols.iter().all(|protocol| protocol == HTTP_1_1) {
        true => Ok(()),
        false => Err(invalid(
            "alpn_protocols must be http/1.1 alone: with h2 in it browsers would open HTTP/2, which is not spoken here",
        )),
    }
}

/// A configuration for clients: the certificates that the operating system trusts (feature
/// `rustls-platform-verifier`), or else those of Mozilla (feature `webpki-roots`).
///
/// The crypto provider is the one that was installed for the process, or else `ring` or `aws-lc-rs`, by the features
/// with these names. None is installed by this.
///
/// It is made once for the process, and its sessions are resumed: a provider that is installed later, and certificates that
/// the operating system trusts later, or no longer, are not seen.
///
/// # Errors
///
/// No feature brings a provider or certificates: the error says which would. `Unsupported`.
pub fn default_client_config() -> io::Result<Arc<ClientConfig>> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    match CONFIG.get() {
        Some(config) => Ok(Arc::clone(config)),
        None => make_client_config().map(|config| Arc::clone(CONFIG.get_or_init(|| config))),
    }
}

fn make_client_config() -> io::Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(|error| io::Error::new(io::ErrorKind::Unsupported, error))?;
    #[cfg(feature = "rustls-platform-verifier")]
    let config = {
        use rustls_platform_verifier::BuilderVerifierExt;
        let verified = builder.with_platform_verifier();
        verified.map_err(|error| io::Error::new(io::ErrorKind::Unsupported, error))?
    };
    #[cfg(all(feature = "webpki-roots", not(feature = "rustls-platform-verifier")))]
    let config = builder.with_root_certificates(::rustls::RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    });
    #[cfg(any(feature = "rustls-platform-verifier", feature = "webpki-roots"))]
    {
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Arc::new(config))
    }
    #[cfg(not(any(feature = "rustls-platform-verifier", feature = "webpki-roots")))]
    {
        drop(builder);
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "no certificates are trusted: enable the feature rustls-platform-verifier or webpki-roots of sansocket, or bring a ClientConfig",
        ))
    }
}

fn provider() -> io::Result<Arc<CryptoProvider>> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Ok(Arc::clone(installed));
    }
    #[cfg(feature = "ring")]
    return Ok(Arc::new(::rustls::crypto::ring::default_provider()));
    #[cfg(all(feature = "aws-lc-rs", not(feature = "ring")))]
    return Ok(Arc::new(::rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "there is no crypto provider: enable the feature ring or aws-lc-rs of sansocket, or install one with CryptoProvider::install_default",
    ))
}

fn invalid(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, reason)
}
