//! Axes that an exporter brings to the front to pick of them, and takes back: nothing but the batch may stand there.

use std::collections::HashMap;

use super::messages::{Attribute, Node, is_own};

/// `Transpose`, `GatherND` and `Transpose` back, as PyTorch writes `x[:, [2, 1, 0]]`: the same by `Gather` along that
/// axis, without the axis that its indices have more.
pub(super) fn pick_in_place(nodes: &mut [Node], outputs: &[String]) {
    let mut readers: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, node) in nodes.iter().enumerate() {
        node.input.iter().for_each(|input| readers.entry(input).or_default().push(at));
    }
    let makers: HashMap<&str, (usize, i64)> = nodes
        .iter()
        .enumerate()
        .filter_map(|(at, node)| Some((node.output.first()?.as_str(), (at, swapped(node)?))))
        .collect();
    let picks = nodes.iter().enumerate().filter_map(|(at, node)| {
        let &(front, axis) = makers.get(node.input.first()?.as_str()).filter(|_| is_plain_pick(node))?;
        let made = node.output.first().filter(|made| !outputs.contains(made))?;
        let &[back] = readers.get(made.as_str())?.as_slice() else { return None };
        let source = nodes[front].input.first()?.clone();
        (swapped(&nodes[back]) == Some(axis)).then_some((at, back, axis, source))
    });
    for (pick, back, axis, source) in picks.collect::<Vec<_>>() {
        let named = |name: &str| Attribute { name: name.to_owned(), ..Attribute::default() };
        nodes[pick].op_type = "Gather".to_owned();
        nodes[pick].input[0] = source;
        nodes[pick].attribute = vec![Attribute { i: Some(axis), ..named("axis") }];
        nodes[back].op_type = "Squeeze".to_owned();
        nodes[back].attribute = vec![Attribute { ints: vec![axis + 1], ..named("axes") }];
    }
}

/// The axis that a `Transpose` has in the batch's place, which is in that axis' place then; all others stay.
fn swapped(node: &Node) -> Option<i64> {
    let is_transpose = is_own(&node.domain) && node.op_type == "Transpose" && node.input.len() == 1;
    let order = node.attribute.iter().find(|attribute| is_transpose && attribute.name == "perm")?.ints.as_slice();
    let axis = order.first().copied().filter(|&axis| axis > 0)?;
    let stays = |(at, &from): (usize, &i64)| match at as i64 {
        0 => from == axis,
        at if at == axis => from == 0,
        at => from == at,
    };
    order.iter().enumerate().all(stays).then_some(axis)
}

fn is_plain_pick(node: &Node) -> bool {
    let is_batched = |attribute: &Attribute| attribute.name == "batch_dims" && attribute.i.unwrap_or(0) != 0;
    is_own(&node.domain) && node.op_type == "GatherND" && !node.attribute.iter().any(is_batched)
}
