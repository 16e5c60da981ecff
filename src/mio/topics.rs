//! The subscribers of each topic of one shard, and the topics of each subscriber: 16 bytes per subscription, and no search
//! among subscribers to end one. This file knows connections by their slots alone.

use std::collections::HashMap;
use std::rc::Rc;

use thiserror::Error;

/// A subscription that was refused. Nothing has changed.
#[derive(Error, Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The connection has as many as it may, see [`Server::max_topics`](super::Server::max_topics).
    #[error("a connection may subscribe to {max} topics")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The name of the topic is longer than 255 bytes.
    #[error("the name of a topic has at most 255 bytes")]
    NameTooLong,
}

/// The longest name of a topic.
const MAX_NAME: usize = 255;

/// Slots that there is room for from the first subscription on: a block that grows without leaving a hole.
const FIRST: usize = 16 * 1024;

/// The subscriptions of one connection. Most have one or none, which need no memory elsewhere.
#[derive(Debug, Default)]
enum Subscriptions {
    #[default]
    None,
    One(Subscription),
    #[allow(clippy::box_collection, reason = "half as large while it is not needed")]
    Many(Box<Vec<Subscription>>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subscription {
    topic: u32,
    /// Where the connection stands among the members of the topic.
    position: u32,
}

/// One subscriber of a topic.
#[derive(Clone, Copy, Debug)]
struct Member {
    slot: u32,
    /// Where the topic stands among the subscriptions of the connection.
    index: u32,
}

#[derive(Debug)]
struct Topic {
    name: Rc<str>,
    members: Vec<Member>,
}

#[derive(Debug)]
pub(super) struct Topics {
    by_name: HashMap<Rc<str>, u32>,
    topics: Vec<Topic>,
    /// As far as anybody has subscribed.
    by_slot: Vec<Subscriptions>,
    vacant: Vec<u32>,
    /// Vacant from the next round on: publications of this one may still name them.
    freed: Vec<u32>,
    max_per_connection: usize,
}

impl Topics {
    pub(super) fn new(max_per_connection: usize) -> Self {
        Self {
            by_name: HashMap::new(),
            topics: Vec::new(),
            by_slot: Vec::new(),
            vacant: Vec::new(),
            freed: Vec::new(),
            max_per_connection,
        }
    }

    /// The number of a topic that has subscribers.
    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// Subscribes a connection: the number of the topic, or `None` if it was subscribed before.
    pub(super) fn subscribe(
        &mut self,
        slot: u32,
        name: &str,
    ) -> Result<Option<u32>, SubscribeError> {
        if name.len() > MAX_NAME {
            return Err(SubscribeError::NameTooLong);
        }
        let known = self.find(name);
        if known.is_some_and(|topic| self.index(slot, topic).is_some()) {
            return Ok(None);
        }
        let index = self.of(slot).len();
        if index >= self.max_per_connection {
            return Err(SubscribeError::TooMany { max: self.max_per_connection });
        }
        let number = known.unwrap_or_else(|| self.create(name));
        if self.by_slot.capacity() == 0 {
            self.by_slot.reserve(FIRST);
        }
        if self.by_slot.len() <= slot as usize {
            self.by_slot.resize_with(slot as usize + 1, Subscriptions::default);
        }
        let topic = self.topics.get_mut(number as usize);
        if let (Some(topic), Some(own)) = (topic, self.by_slot.get_mut(slot as usize)) {
            own.push(Subscription { topic: number, position: count(topic.members.len()) });
            topic.members.push(Member { slot, index: count(index) });
        }
        Ok(Some(number))
    }

    /// Whether the connection was subscribed.
    pub(super) fn unsubscribe(&mut self, slot: u32, name: &str) -> bool {
        let index = self.find(name).and_then(|topic| self.index(slot, topic));
        index.is_some_and(|index| self.leave(slot, index))
    }

    /// Ends all subscriptions of a connection.
    pub(super) fn unsubscribe_all(&mut self, slot: u32) {
        while let Some(last) = self.of(slot).len().checked_sub(1) {
            self.leave(slot, last);
        }
    }

    /// The names of the topics of a connection.
    pub(super) fn names(&self, slot: u32) -> impl Iterator<Item = &str> {
        let topics = self.of(slot).iter();
        topics.filter_map(|own| self.topics.get(own.topic as usize)).map(|topic| &*topic.name)
    }

    /// The slots of the subscribers of a topic.
    pub(super) fn members(&self, topic: u32) -> impl ExactSizeIterator<Item = u32> {
        let members = self.topics.get(topic as usize).map(|topic| &topic.members[..]);
        members.unwrap_or_default().iter().map(|member| member.slot)
    }

    /// The numbers of topics without subscribers can be had again.
    pub(super) fn end_round(&mut self) {
        self.vacant.append(&mut self.freed);
    }

    fn create(&mut self, name: &str) -> u32 {
        let name: Rc<str> = name.into();
        let topic = Topic { name: Rc::clone(&name), members: Vec::new() };
        let number = match self.vacant.pop() {
            Some(number) => {
                if let Some(place) = self.topics.get_mut(number as usize) {
                    *place = topic;
                }
                number
            }
            None => {
                self.topics.push(topic);
                count(self.topics.len() - 1)
            }
        };
        self.by_name.insert(name, number);
        number
    }

    fn of(&self, slot: u32) -> &[Subscription] {
        self.by_slot.get(slot as usize).map(Subscriptions::as_slice).unwrap_or_default()
    }

    fn index(&self, slot: u32, topic: u32) -> Option<usize> {
        self.of(slot).iter().position(|own| own.topic == topic)
    }

    /// Ends a subscription. Those that take the place it had, here and there, are told.
    fn leave(&mut self, slot: u32, index: usize) -> bool {
        let own = self.by_slot.get_mut(slot as usize);
        let Some((left, moved)) = own.and_then(|own| own.swap_remove(index)) else {
            return false;
        };
        if let Some(moved) = moved {
            let members = self.topics.get_mut(moved.topic as usize).map(|topic| &mut topic.members);
            if let Some(member) = members.and_then(|all| all.get_mut(moved.position as usize)) {
                member.index = count(index);
            }
        }
        let Some(topic) = self.topics.get_mut(left.topic as usize) else {
            return false;
        };
        if (left.position as usize) < topic.members.len() {
            topic.members.swap_remove(left.position as usize);
        }
        if let Some(&Member { slot, index }) = topic.members.get(left.position as usize) {
            let own = self.by_slot.get_mut(slot as usize);
            if let Some(own) = own.and_then(|own| own.get_mut(index as usize)) {
                own.position = left.position;
            }
        }
        if topic.members.is_empty() {
            topic.members = Vec::new();
            self.by_name.remove(&topic.name);
            self.freed.push(left.topic);
        }
        true
    }
}

impl Subscriptions {
    fn as_slice(&self) -> &[Subscription] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }

    fn get_mut(&mut self, index: usize) -> Option<&mut Subscription> {
        match self {
            Self::None => None,
            Self::One(one) => std::slice::from_mut(one).get_mut(index),
            Self::Many(many) => many.get_mut(index),
        }
    }

    fn push(&mut self, new: Subscription) {
        *self = match std::mem::take(self) {
            Self::None => Self::One(new),
            Self::One(one) => Self::Many(Box::new(vec![one, new])),
            Self::Many(mut many) => {
                many.push(new);
                Self::Many(many)
            }
        };
    }

    /// The one that was there, and the one that has taken its place.
    fn swap_remove(&mut self, index: usize) -> Option<(Subscription, Option<Subscription>)> {
        let removed = *self.as_slice().get(index)?;
        match self {
            Self::None | Self::One(_) => *self = Self::None,
            Self::Many(many) => {
                many.swap_remove(index);
            }
        }
        let moved = self.as_slice().get(index).copied();
        if let Self::Many(many) = self {
            if let [one] = many[..] {
                *self = Self::One(one);
            }
        }
        Some((removed, moved))
    }
}

/// There are at most 2²⁴ connections, and topics fewer than subscriptions.
fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Each of the two directions says the same.
    fn check(topics: &Topics, slots: u32) {
        for slot in 0..slots {
            for (index, own) in topics.of(slot).iter().enumerate() {
                let topic = topics.topics.get(own.topic as usize).unwrap();
                let member = topic.members.get(own.position as usize).unwrap();
                assert_eq!((member.slot, member.index as usize), (slot, index));
            }
        }
        let named: usize = topics.topics.iter().filter(|topic| !topic.members.is_empty()).count();
        assert_eq!(named, topics.by_name.len());
    }

    // ML-05: against sets of names, over random subscriptions
    #[test]
    fn random_subscriptions_go_as_sets_of_names_do() {
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut topics = Topics::new(5);
        let mut model: Vec<BTreeSet<String>> = vec![BTreeSet::new(); 12];
        for step in 0..50_000 {
            let slot = next(12) as u32;
            let name = format!("topic {}", next(9));
            let own = model.get_mut(slot as usize).unwrap();
            match next(8) {
                0..4 => match topics.subscribe(slot, &name) {
                    Ok(new) => assert_eq!(new.is_some(), own.insert(name)),
                    Err(error) => {
                        assert_eq!(error, SubscribeError::TooMany { max: 5 });
                        assert!(own.len() == 5 && !own.contains(&name));
                    }
                },
                4..7 => assert_eq!(topics.unsubscribe(slot, &name), own.remove(&name)),
                _ => {
                    topics.unsubscribe_all(slot);
                    own.clear();
                }
            }
            if step % 7 == 0 {
                topics.end_round();
            }
            check(&topics, 12);
            let names: BTreeSet<String> = topics.names(slot).map(str::to_owned).collect();
            assert_eq!(&names, model.get(slot as usize).unwrap());
        }
        for number in 0..9 {
            let name = format!("topic {number}");
            let members: BTreeSet<u32> =
                topics.find(&name).into_iter().flat_map(|topic| topics.members(topic)).collect();
            let modelled =
                (0..12).filter(|slot| model.get(*slot as usize).unwrap().contains(&name));
            assert_eq!(members, modelled.collect());
        }
    }

    // ML-05: what was published in a round reaches no topic that was made in it
    #[test]
    fn the_number_of_a_topic_is_not_given_again_in_the_same_round() {
        let mut topics = Topics::new(64);
        assert_eq!(topics.subscribe(0, "old"), Ok(Some(0)));
        assert!(topics.unsubscribe(0, "old"));
        assert_eq!(topics.subscribe(0, "new"), Ok(Some(1)));
        topics.end_round();
        assert_eq!(topics.subscribe(0, "newer"), Ok(Some(0)));
    }

    // ML-05: names come from peers
    #[test]
    fn names_are_bounded() {
        let mut topics = Topics::new(64);
        assert_eq!(topics.subscribe(0, &"x".repeat(256)), Err(SubscribeError::NameTooLong));
        assert!(topics.subscribe(0, &"x".repeat(255)).is_ok());
    }

    // ML-09
    #[test]
    fn a_subscription_takes_16_bytes() {
        assert_eq!(size_of::<Subscription>() + size_of::<Member>(), 16);
        assert_eq!(size_of::<Subscriptions>(), 16);
    }
}
