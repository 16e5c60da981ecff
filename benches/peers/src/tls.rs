//! TLS 1.3 with the crypto of ring: a certificate that is made anew, and what servers and clients do with it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring::{self, Ticketer, cipher_suite, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Whom the certificate is for.
pub const HOST: &str = "localhost";

/// The certificate and its key, in PEM, beside this program.
pub fn files() -> [PathBuf; 2] {
    let own = std::env::current_exe().unwrap_or_default();
    ["peers-cert.pem", "peers-key.pem"].map(|name| own.with_file_name(name))
}

/// Makes a certificate for this run: a key on P-256, as most have.
pub fn make_certificate() -> Result<(), String> {
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]);
    let made = made.map_err(|error| error.to_string())?;
    for (path, pem) in files().iter().zip([made.cert.pem(), made.signing_key.serialize_pem()]) {
        fs::write(path, pem).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

fn certificate() -> Result<CertificateDer<'static>, String> {
    CertificateDer::from_pem_file(&files()[0]).map_err(|error| error.to_string())
}

/// The same for all servers in Rust, with tickets that need no memory to be resumed.
pub fn server_config() -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_file(&files()[1]).expect("there is a key");
    let chain = vec![certificate().expect("there is a certificate")];
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them");
    let mut config =
        config.with_no_client_auth().with_single_cert(chain, key).expect("they belong together");
    config.ticketer = Ticketer::new().expect("there is randomness");
    Arc::new(config)
}

/// One cipher and one key exchange, so that all servers do the same. With or without the memory of earlier
/// connections that it takes to resume them.
pub fn client_config(resumes: bool) -> Result<Arc<ClientConfig>, String> {
    let mut provider = ring::default_provider();
    provider.cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    provider.kx_groups = vec![kx_group::X25519];
    let mut roots = RootCertStore::empty();
    roots.add(certificate()?).map_err(|error| error.to_string())?;
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| error.to_string())?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    if !resumes {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}
