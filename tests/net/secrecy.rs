//! Requests that must not be sent in the clear.

use sansocket::handshake::client::Request;
use sansocket::{Config, net};

use crate::fake::Fake;

// The transport does not say that it is secure
#[test]
fn a_request_for_wss_is_not_written_to_a_plain_transport() {
    let request = Request::new("wss://example.com/").unwrap();
    let request = request.header("Authorization", "Bearer secret").unwrap();
    let fake = Fake::new(vec![], vec![]);
    net::connect(fake.clone(), &request, Config::default()).unwrap_err();
    assert_eq!(fake.written(), []);
}
