//! What was published goes out, to each recipient all of it in one write.

use super::Worker;
use crate::mio::app::App;
use crate::mio::common::Note;

impl<A: App> Worker<A> {
    /// Sends what was published in this round, to each recipient all of it in one write.
    pub(super) fn publish(&mut self) {
        let (notes, joined) = self.common.take_notes();
        let Some((first, rest)) = notes.split_first() else {
            return;
        };
        let wants = |slot: u32, index: usize, note: &Note| {
            note.but != Some(slot)
                && joined.get(&(note.topic, slot)).is_none_or(|joined| *joined <= index)
        };
        if rest.iter().all(|note| note.topic == first.topic) {
            // Recipients may end, and others subscribe, while they are told.
            let members: Vec<u32> = self.common.topics.members(first.topic).collect();
            for slot in members {
                let wanted = notes.iter().enumerate();
                let wanted = wanted.filter(|(index, note)| wants(slot, *index, note));
                self.tell(slot, wanted.map(|(_, note)| note));
            }
            return;
        }
        // By topic, so that what is kept of a recipient does not grow with the publications.
        let mut order: Vec<(u32, usize)> =
            notes.iter().enumerate().map(|(index, note)| (note.topic, index)).collect();
        order.sort_unstable();
        let mut recipients: Vec<(u32, &[(u32, usize)])> = Vec::new();
        for of_topic in order.chunk_by(|(one, _), (other, _)| one == other) {
            if let Some((topic, _)) = of_topic.first() {
                let members = self.common.topics.members(*topic);
                recipients.extend(members.map(|slot| (slot, of_topic)));
            }
        }
        recipients.sort_unstable_by_key(|(slot, _)| *slot);
        let mut wanted: Vec<usize> = Vec::new();
        for recipient in recipients.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((slot, _)) = recipient.first() else { continue };
            let indices = recipient.iter().flat_map(|(_, of_topic)| *of_topic);
            wanted.extend(indices.map(|(_, index)| *index));
            wanted.retain(|index| notes.get(*index).is_some_and(|note| wants(*slot, *index, note)));
            wanted.sort_unstable();
            self.tell(*slot, wanted.drain(..).filter_map(|index| notes.get(index)));
        }
    }

    fn tell<'n>(&mut self, slot: u32, notes: impl Iterator<Item = &'n Note>) {
        let id = self.table.id(slot);
        if let Some(client) = self.table.slot(slot) {
            let next = client.tell(id, notes, &mut self.app, &mut self.common);
            self.after(slot, id, next);
        }
    }
}
