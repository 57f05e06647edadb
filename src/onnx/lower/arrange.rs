//! Transposed values brought into order, by the operations of the format that do it in one pass where there is one.

use crate::network::ops::{BlockOrder, ChannelShuffle, DepthToSpace, Op, Permute, Reshape, SpaceToDepth};
use crate::onnx::budget::Budget;
use crate::onnx::draft::{Draft, Id};
use crate::onnx::refusal::Why;
use crate::onnx::view::View;

/// Computes a view that is not in order, as `[C, H, W]`; what comes out is called `name`, and what is on the way to it
/// `part`.
pub(super) fn arrange(
    draft: &mut Draft,
    budget: &mut Budget,
    node: usize,
    [name, part]: [&str; 2],
    view: &View,
    shape: [usize; 3],
) -> Result<Id, Why> {
    let id = steps(draft, budget, node, part, view, shape)?;
    // Nothing before it has that name, as it holds something else.
    name.clone_into(&mut draft.items[id].name);
    Ok(id)
}

fn steps(
    draft: &mut Draft,
    budget: &mut Budget,
    node: usize,
    name: &str,
    view: &View,
    shape: [usize; 3],
) -> Result<Id, Why> {
    let base = draft.shape(view.base);
    let whole = permutation(view, base).filter(|order| order.map(|axis| base[axis]) == shape);
    let (sizes, order) = view.blocks();
    let op = match whole {
        Some(order) => Some(Op::Permute(Permute::new(order))),
        None => shuffled(&sizes, &order, base, shape).or_else(|| blocks(view, base, shape)),
    };
    if let Some(op) = op {
        let id = draft.op(budget, name.to_owned(), node, op, vec![view.base])?;
        return reshaped(draft, budget, node, name, id, shape);
    }
    let permuted = |draft: &mut Draft, budget: &mut Budget, id: Id, sizes: [usize; 3], order: [usize; 3]| {
        let id = reshaped(draft, budget, node, name, id, sizes)?;
        draft.op(budget, name.to_owned(), node, Op::Permute(Permute::new(order)), vec![id])
    };
    let mut id = view.base;
    if let (Ok(sizes), Ok(order)) = (three(&sizes, 1), three(&order, usize::MAX)) {
        let order = [0, 1, 2].map(|at| if order[at] == usize::MAX { at } else { order[at] });
        id = permuted(draft, budget, id, sizes, order)?;
        return reshaped(draft, budget, node, name, id, shape);
    }
    // One block after another goes to its place, past those that lie there: two transpositions of three blocks each.
    let mut now: Vec<usize> = (0..sizes.len()).collect();
    for at in 0..order.len() {
        let Some(from) = now.iter().position(|&block| block == order[at]) else { continue };
        if from == at {
            continue;
        }
        let run =
            (0..).take_while(|&more| now.get(from + more).is_some_and(|block| order.get(at + more) == Some(block)));
        let to = from + run.count();
        let size = |blocks: &[usize]| blocks.iter().map(|&block| sizes[block]).product::<usize>();
        let [before, passed, moved, behind] =
            [size(&now[..at]), size(&now[at..from]), size(&now[from..to]), size(&now[to..])];
        if before == 1 {
            id = permuted(draft, budget, id, [passed, moved, behind], [1, 0, 2])?;
        } else {
            id = permuted(draft, budget, id, [before, passed, moved * behind], [0, 2, 1])?;
            if behind > 1 {
                id = permuted(draft, budget, id, [before * moved, behind, passed], [0, 2, 1])?;
            }
        }
        now[at..to].rotate_left(from - at);
    }
    reshaped(draft, budget, node, name, id, shape)
}

/// Up to three numbers, and others at the end.
fn three(numbers: &[usize], other: usize) -> Result<[usize; 3], ()> {
    let mut all = [other; 3];
    all.get_mut(..numbers.len()).ok_or(())?.copy_from_slice(numbers);
    Ok(all)
}

fn reshaped(
    draft: &mut Draft,
    budget: &mut Budget,
    node: usize,
    name: &str,
    id: Id,
    shape: [usize; 3],
) -> Result<Id, Why> {
    if draft.shape(id) == shape {
        return Ok(id);
    }
    draft.op(budget, name.to_owned(), node, Op::Reshape(Reshape::new(shape)), vec![id])
}

/// The order of the base's axes, where a view is one: axes of size 1 go to the end.
fn permutation(view: &View, base: [usize; 3]) -> Option<[usize; 3]> {
    let mut order: Vec<usize> = view.axes_of(base)?.into_iter().flatten().collect();
    order.extend((0..3).filter(|&axis| base[axis] == 1));
    order.try_into().ok()
}

/// Channels of groups, one of each in turn.
fn shuffled(sizes: &[usize], order: &[usize], base: [usize; 3], shape: [usize; 3]) -> Option<Op> {
    let groups = *sizes.first()?;
    let is_one = matches!(order, [1, 0] | [1, 0, 2]) && groups * sizes[1] == base[0] && shape[0] == base[0];
    is_one.then(|| Op::ChannelShuffle(ChannelShuffle::new(groups)))
}

/// Blocks of pixels as channels, or the other way.
fn blocks(view: &View, base: [usize; 3], shape: [usize; 3]) -> Option<Op> {
    let [channels, height, width] = shape;
    // Without axes of size 1 an order of axes may be that of either operation: what is compared is where values lie.
    let lies = |&(_, dims, order): &(BlockOrder, [usize; 5], [usize; 5])| {
        View::of(view.base, &dims).transposed(&order).blocks() == view.blocks()
    };
    let kind_of =
        |kinds: [(BlockOrder, [usize; 5], [usize; 5]); 2]| kinds.iter().find(|kind| lies(kind)).map(|kind| kind.0);
    let block_of = |large: usize, small: usize| large.is_multiple_of(small).then(|| large / small).filter(|&b| b > 1);
    let [from, rows, columns] = base;
    if let Some(block) = block_of(height, rows) {
        let kind = kind_of([
            (BlockOrder::ChannelFirst, [channels, block, block, rows, columns], [0, 3, 1, 4, 2]),
            (BlockOrder::BlockFirst, [block, block, channels, rows, columns], [2, 3, 0, 4, 1]),
        ])?;
        let is_fit = from == channels * block * block && width == columns * block;
        return is_fit.then(|| Op::DepthToSpace(DepthToSpace::new(block, kind)));
    }
    let block = block_of(rows, height)?;
    let dims = [from, height, block, width, block];
    let kind =
        kind_of([(BlockOrder::ChannelFirst, dims, [0, 2, 4, 1, 3]), (BlockOrder::BlockFirst, dims, [2, 4, 0, 1, 3])])?;
    let is_fit = channels == from * block * block && columns == width * block;
    is_fit.then(|| Op::SpaceToDepth(SpaceToDepth::new(block, kind)))
}
