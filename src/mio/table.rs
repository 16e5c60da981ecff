//! The connections of one shard by slot, and the names under which others know them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

use super::client::Client;
use super::deadlines::NEVER;

/// The name of a connection, for as long as there is anybody who remembers it: no other connection of the
/// server ever gets the same. 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(u64);

const SLOT_BITS: u32 = 24;
const GENERATION_BITS: u32 = 32;
/// Connections of a shard.
const MAX_SLOTS: u32 = 1 << SLOT_BITS;
/// Slots that there is room for from the beginning. Such blocks are not resident before they are used, and leave no holes
/// among small ones when they grow.
const FIRST: usize = 4096;
/// The same for columns of 4 bytes.
const FIRST_COLUMN: usize = 64 * 1024;
/// The generation of a slot whose names are used up: it stays empty.
const RETIRED: u32 = u32::MAX;

impl Id {
    fn new(shard: u8, generation: u32, slot: u32) -> Self {
        let shard = u64::from(shard) << (GENERATION_BITS + SLOT_BITS);
        Self(shard | u64::from(generation) << SLOT_BITS | u64::from(slot))
    }

    /// The number of the shard whose connection it is.
    #[must_use]
    pub fn shard(self) -> usize {
        (self.0 >> (GENERATION_BITS + SLOT_BITS)) as usize
    }

    #[allow(clippy::cast_possible_truncation, reason = "the lower bits are meant")]
    pub(super) fn slot(self) -> u32 {
        self.0 as u32 & (MAX_SLOTS - 1)
    }

    #[allow(clippy::cast_possible_truncation, reason = "the lower bits are meant")]
    fn generation(self) -> u32 {
        (self.0 >> SLOT_BITS) as u32
    }
}

/// Shard, slot, and how many connections had the slot before.
impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({}.{}.{})", self.shard(), self.slot(), self.generation())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.shard(), self.slot(), self.generation())
    }
}

pub(super) struct Table<S> {
    shard: u8,
    clients: Vec<Option<Client<S>>>,
    /// When to look at the deadlines of each.
    due: Vec<u32>,
    /// How often each slot was given back. It outlives the slot, so that no name is given twice.
    generations: Vec<u32>,
    /// The lowest comes first, so that the table can shrink.
    vacant: BinaryHeap<Reverse<u32>>,
    /// Vacant from the next round on: events of this one may still name the last owner.
    freed: Vec<u32>,
    count: usize,
}

impl<S> Table<S> {
    pub(super) fn new(shard: u8) -> Self {
        Self {
            shard,
            clients: Vec::with_capacity(FIRST),
            due: Vec::with_capacity(FIRST_COLUMN),
            generations: Vec::with_capacity(FIRST_COLUMN),
            vacant: BinaryHeap::new(),
            freed: Vec::new(),
            count: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A slot for the next connection; `None` if there are 2²⁴.
    pub(super) fn take_slot(&mut self) -> Option<u32> {
        if let Some(&Reverse(slot)) = self.vacant.peek() {
            if (slot as usize) < self.clients.len() {
                self.vacant.pop();
                return Some(slot);
            }
        }
        // Those that are left were cut off by `shrink`.
        self.vacant.clear();
        loop {
            let slot = u32::try_from(self.clients.len()).ok().filter(|slot| *slot < MAX_SLOTS)?;
            self.clients.push(None);
            self.due.push(NEVER);
            match self.generations.get(slot as usize) {
                Some(&RETIRED) => {}
                Some(_) => return Some(slot),
                None => {
                    self.generations.push(0);
                    return Some(slot);
                }
            }
        }
    }

    /// Puts a connection into a slot that was [taken](Self::take_slot).
    pub(super) fn insert(&mut self, slot: u32, client: Client<S>) {
        if let Some(place) = self.clients.get_mut(slot as usize) {
            *place = Some(client);
            self.count += 1;
        }
    }

    /// Gives back a slot that was taken in vain.
    pub(super) fn give_back(&mut self, slot: u32) {
        self.freed.push(slot);
    }

    #[inline]
    pub(super) fn slot(&mut self, slot: u32) -> Option<&mut Client<S>> {
        self.clients.get_mut(slot as usize)?.as_mut()
    }

    pub(super) fn get(&mut self, id: Id) -> Option<&mut Client<S>> {
        let is_current = self.generations.get(id.slot() as usize) == Some(&id.generation());
        match is_current && id.shard() == usize::from(self.shard) {
            true => self.slot(id.slot()),
            false => None,
        }
    }

    /// The name of the connection in a slot.
    #[inline]
    pub(super) fn id(&self, slot: u32) -> Id {
        let generation = self.generations.get(slot as usize).copied().unwrap_or_default();
        Id::new(self.shard, generation, slot)
    }

    #[inline]
    pub(super) fn set_due(&mut self, slot: u32, second: u32) {
        if let Some(due) = self.due.get_mut(slot as usize) {
            *due = second;
        }
    }

    /// The next slot from `from` on that is due.
    pub(super) fn next_due(&self, from: u32, second: u32) -> Option<u32> {
        let column = self.due.get(from as usize..)?;
        let position = column.iter().position(|due| *due <= second)?;
        u32::try_from(position).ok().map(|position| from + position)
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<Client<S>> {
        let client = self.clients.get_mut(slot as usize)?.take()?;
        self.count -= 1;
        self.set_due(slot, NEVER);
        if let Some(generation) = self.generations.get_mut(slot as usize) {
            *generation += 1; // it is none that is retired
            if *generation != RETIRED {
                self.freed.push(slot);
            }
        }
        Some(client)
    }

    /// The slots there are, vacant ones among them.
    pub(super) fn slots(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.clients.len()).unwrap_or(MAX_SLOTS)
    }

    /// Slots that were given back can be had again.
    pub(super) fn end_round(&mut self) {
        if self.freed.is_empty() {
            return;
        }
        self.vacant.extend(self.freed.drain(..).map(Reverse));
        while let Some(None) = self.clients.last() {
            self.clients.pop();
            self.due.pop();
        }
        let len = self.clients.len();
        if self.clients.capacity() / 4 > len.max(FIRST) {
            self.clients.shrink_to(2 * len);
            self.due.shrink_to(FIRST_COLUMN.max(2 * len));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mio::socket::Socket;

    fn client() -> Client<()> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = std::net::TcpStream::connect(address).unwrap();
        let socket = Socket::new(::mio::net::TcpStream::from_std(stream));
        Client::new(socket, address, false, &Config::default())
    }

    fn insert(table: &mut Table<()>) -> Id {
        let slot = table.take_slot().unwrap();
        table.insert(slot, client());
        table.id(slot)
    }

    // ML-06: an id names one connection, for ever
    #[test]
    fn no_name_is_given_twice() {
        let mut table = Table::new(7);
        let one = insert(&mut table);
        assert_eq!((one.shard(), one.slot()), (7, 0));
        assert!(table.get(one).is_some());
        assert!(table.remove(0).is_some());
        assert!(table.get(one).is_none());
        assert_eq!(insert(&mut table).slot(), 1, "not in this round");
        table.end_round();
        let two = insert(&mut table);
        assert_eq!(two.slot(), 0);
        assert_ne!(one, two);
        assert!(table.get(one).is_none() && table.get(two).is_some());
        assert!(Table::<()>::new(6).get(two).is_none());
    }

    // ML-06: nor when the table has shrunk in between
    #[test]
    fn a_table_that_shrinks_forgets_no_name() {
        let mut table = Table::new(0);
        let ids: Vec<Id> = (0..5).map(|_| insert(&mut table)).collect();
        for slot in [1, 3, 4] {
            table.remove(slot);
        }
        table.end_round();
        assert_eq!(table.slots(), 0..3);
        let next: Vec<Id> = (0..3).map(|_| insert(&mut table)).collect();
        assert_eq!(next.iter().map(|id| id.slot()).collect::<Vec<_>>(), [1, 3, 4]);
        assert!(next.iter().all(|id| !ids.contains(id)));
        assert_eq!(table.len(), 5);
    }

    // ML-06: a slot whose names are used up is not used again
    #[test]
    fn a_slot_without_names_is_retired() {
        let mut table = Table::new(0);
        insert(&mut table);
        *table.generations.first_mut().unwrap() = RETIRED - 1;
        table.remove(0);
        table.end_round();
        assert_eq!(insert(&mut table).slot(), 1);
        table.remove(1);
        table.end_round();
        assert_eq!(table.slots(), 0..0);
        assert_eq!(insert(&mut table).slot(), 1, "nor when the table has shrunk");
    }

    // ML-09: nor do slots that were taken in vain stay
    #[test]
    fn a_table_gives_memory_back() {
        let mut table = Table::<()>::new(0);
        let slots: Vec<u32> = (0..5 * 4096).map(|_| table.take_slot().unwrap()).collect();
        assert!(table.clients.capacity() >= slots.len());
        slots.into_iter().for_each(|slot| table.give_back(slot));
        table.end_round();
        assert!(table.clients.capacity() < 4096 && table.slots() == (0..0));
    }

    // ML-07
    #[test]
    fn slots_that_are_due_are_found() {
        let mut table = Table::new(0);
        for due in [5, NEVER, 3, 9] {
            let slot = insert(&mut table).slot();
            table.set_due(slot, due);
        }
        assert_eq!(table.next_due(0, 4), Some(2));
        assert_eq!(table.next_due(3, 4), None);
        assert_eq!(table.next_due(0, 5), Some(0));
        assert_eq!(table.next_due(4, 5), None);
        table.remove(0);
        assert_eq!(table.next_due(0, 5), Some(2));
    }
}
