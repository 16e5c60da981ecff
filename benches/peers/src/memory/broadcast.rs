//! One message to everybody.

use super::subject::Outgoing;

/// Many connections that are all told the same.
pub trait Audience {
    /// Encodes and sends the message to each of them, and writes all of it.
    fn tell(&mut self, outgoing: &Outgoing);
}

/// An audience of connections that know nothing of one another.
pub struct Each<C>(pub Vec<C>, pub fn(&mut C, &Outgoing));

impl<C> Audience for Each<C> {
    fn tell(&mut self, outgoing: &Outgoing) {
        for connection in &mut self.0 {
            self.1(connection, outgoing);
        }
    }
}
