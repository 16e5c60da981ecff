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
        let mut deliveries: Vec<(u32, usize)> = Vec::new();
        for (index, note) in notes.iter().enumerate() {
            let members = self.common.topics.members(note.topic);
            let members = members.filter(|slot| wants(*slot, index, note));
            deliveries.extend(members.map(|slot| (slot, index)));
        }
        deliveries.sort_unstable();
        for recipient in deliveries.chunk_by(|(one, _), (other, _)| one == other) {
            if let Some((slot, _)) = recipient.first() {
                self.tell(*slot, recipient.iter().filter_map(|(_, index)| notes.get(*index)));
            }
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
