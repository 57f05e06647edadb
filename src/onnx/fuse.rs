//! Patterns of exporters as the operations that they stand for, and operations joined to those before them.

mod affine;
mod gate;
mod gelu;
mod join;
mod repeat;

use std::rc::Rc;

use super::draft::{Draft, INPUT, Id, Item, Work};
use super::names::Names;
use crate::network::ops::Op;

/// A draft that is rebuilt, item by item, each after those it reads.
#[derive(Debug, Default)]
pub(super) struct Fused {
    draft: Draft,
    names: Rc<Names>,
    /// How often each value is read, by items still to come too.
    readers: Vec<usize>,
    /// Weights of linear layers that were copied to be scaled.
    copied: usize,
    /// Whether any rule did anything.
    is_rewritten: bool,
    /// What became of the model's nodes: what was done, and how often.
    pub(super) done: std::collections::BTreeMap<&'static str, usize>,
}

/// What a rule makes of the item at hand.
pub(super) enum Rewritten {
    /// It computes the same as this one.
    Same(Id),
    /// Another item takes its place.
    Item(Item),
}

/// A rule looks at an item, and at what it reads, and says what it became.
type Rule = fn(&mut Fused, &Item) -> Option<Rewritten>;

/// Each is tried on whatever another makes of an item, until none finds anything.
const RULES: &[Rule] = &[
    repeat::repeated,
    gate::self_gated,
    gelu::gelu,
    gelu::gelu_tanh,
    affine::merged,
    affine::scaled_activation,
    affine::hard_sigmoid,
    affine::nothing,
    join::norm,
    join::padding,
    join::sum,
    join::activation,
];

/// How often a draft is gone through at most: what one time leaves may be joined the next.
const MOST_PASSES: usize = 8;

/// Rewrites a draft; `outputs` are read by whoever asked for them, and become what is returned.
pub(super) fn fuse(draft: Draft, outputs: &mut [Id], names: &Rc<Names>) -> Fused {
    let mut fused = pass(draft, outputs, names);
    for _ in 1..MOST_PASSES {
        if !fused.is_rewritten {
            break;
        }
        let done = std::mem::take(&mut fused.done);
        fused = pass(fused.draft, outputs, names);
        done.into_iter().for_each(|(what, count)| *fused.done.entry(what).or_default() += count);
    }
    fused
}

/// Goes through a draft once.
fn pass(draft: Draft, outputs: &mut [Id], names: &Rc<Names>) -> Fused {
    let mut left = vec![0; draft.items.len()];
    outputs.iter().for_each(|&id| left[id] += 1);
    for (at, item) in draft.items.iter().enumerate().rev() {
        // What was made on the way and is not needed reads nothing.
        if left[at] > 0 {
            item.inputs.iter().for_each(|&id| left[id] += 1);
        }
    }
    let mut fused = Fused { names: Rc::clone(names), ..Fused::default() };
    let mut new_of: Vec<Id> = Vec::with_capacity(left.len());
    for (at, (item, readers)) in draft.items.into_iter().zip(left).enumerate() {
        if readers == 0 && at != INPUT {
            new_of.push(Id::MAX);
            continue;
        }
        let inputs = item.inputs.iter().map(|&id| new_of[id]).collect();
        let id = fused.settle(Item { inputs, ..item });
        fused.readers[id] += readers;
        new_of.push(id);
    }
    outputs.iter_mut().for_each(|output| *output = new_of[*output]);
    fused
}

impl Fused {
    /// How many items there are, read or not.
    pub(super) fn len(&self) -> usize {
        self.draft.items.len()
    }

    /// Those that are read.
    pub(super) fn items(&self) -> impl Iterator<Item = (Id, &Item)> {
        self.draft.items.iter().enumerate().filter(|&(id, _)| self.readers[id] > 0)
    }

    /// Which items are read, and all of them.
    pub(super) fn into_items(self) -> (Vec<bool>, Vec<Item>) {
        (self.readers.iter().map(|&readers| readers > 0).collect(), self.draft.items)
    }

    /// Applies rules to an item until none does anything, and adds it.
    fn settle(&mut self, mut item: Item) -> Id {
        'again: loop {
            for rule in RULES {
                match rule(self, &item) {
                    None => {}
                    Some(Rewritten::Same(id)) => {
                        self.is_rewritten = true;
                        // It must not count as read by nobody in between.
                        self.readers[id] += 1;
                        self.forget(&item);
                        self.readers[id] -= 1;
                        // Whoever else reads it, or asks for it, knows it by its own name.
                        if self.draft.items[id].work != Work::Input && self.readers[id] == 0 {
                            self.draft.items[id].name = item.name;
                        }
                        return id;
                    }
                    Some(Rewritten::Item(rewritten)) => {
                        self.is_rewritten = true;
                        // It reads in place of the other.
                        rewritten.inputs.iter().for_each(|&id| self.readers[id] += 1);
                        self.forget(&item);
                        item = rewritten;
                        continue 'again;
                    }
                }
            }
            self.draft.items.push(item);
            self.readers.push(0);
            return self.draft.items.len() - 1;
        }
    }

    /// An item does not read any more what it read; nor does what nobody reads then.
    fn forget(&mut self, item: &Item) {
        let mut forgotten = item.inputs.clone();
        while let Some(id) = forgotten.pop() {
            self.readers[id] -= 1;
            if self.readers[id] == 0 {
                forgotten.extend(&self.draft.items[id].inputs);
            }
        }
    }

    /// Adds an item on the way to the one at hand, which is its only reader; it becomes one by being read.
    fn insert(&mut self, item: Item) -> Id {
        item.inputs.iter().for_each(|&id| self.readers[id] += 1);
        self.settle(item)
    }

    /// An item.
    fn item(&self, id: Id) -> &Item {
        &self.draft.items[id]
    }

    /// An operation of the format.
    fn op(&self, id: Id) -> Option<&Op> {
        match &self.item(id).work {
            Work::Op(op) => Some(op),
            Work::Input | Work::Erf | Work::Repeat => None,
        }
    }

    /// An operation of the format, to be changed where only the item at hand reads it.
    fn op_mut(&mut self, id: Id) -> Option<&mut Op> {
        match &mut self.draft.items[id].work {
            Work::Op(op) => Some(op),
            Work::Input | Work::Erf | Work::Repeat => None,
        }
    }

    /// Takes an operation away from where only the item at hand reads it, which computes it then.
    fn take(&mut self, id: Id) -> Option<Op> {
        match std::mem::replace(&mut self.draft.items[id].work, Work::Input) {
            Work::Op(op) => Some(op),
            Work::Input | Work::Erf | Work::Repeat => None,
        }
    }

    /// Whether only the item at hand reads a value.
    fn is_only_read_here(&self, id: Id) -> bool {
        self.readers[id] == 1
    }

    /// Notes what was done.
    fn note(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }
}
