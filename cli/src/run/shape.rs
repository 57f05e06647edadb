//! Shapes of arrays beside a network.

use filter_summary::network::{ConvKind, Network, Node, Op, Source};

/// The images of an array `[N, C, H, W]`, or `[N, C]` where height and width are 1; `None` where it is neither.
pub(super) fn images(shape: &[usize], [channels, height, width]: [usize; 3]) -> Option<usize> {
    match *shape {
        [images, c, h, w] if [c, h, w] == [channels, height, width] => Some(images),
        [images, c] if [c, 1, 1] == [channels, height, width] => Some(images),
        _ => None,
    }
}

/// Height and width of an array `[N, C, H, W]` of as many channels as the network's input has.
pub(super) fn size(shape: &[usize], channels: usize) -> Option<[usize; 2]> {
    match *shape {
        [_, c, height, width] if c == channels => Some([height, width]),
        _ => None,
    }
}

/// The shape of an output as frameworks have it: `[N, O]` behind a linear layer or what flattens, else
/// `[N, O, OH, OW]`. Arrays of both shapes side by side would be broadcast, without a word.
pub(super) fn of_output(network: &Network, output: &Node, images: usize) -> Vec<usize> {
    let [channels, height, width] = output.shape;
    let output = network.nodes().iter().position(|node| std::ptr::eq(node, output));
    if output.is_some_and(|output| is_flat(network, output)) {
        vec![images, channels]
    } else {
        vec![images, channels, height, width]
    }
}

/// Whether a node's value has no height and width: those before it, that change no shape, do not matter.
fn is_flat(network: &Network, mut node: usize) -> bool {
    loop {
        let of = &network.nodes()[node];
        match (&of.op, of.inputs.first()) {
            (Op::Conv(conv), _) => return conv.kind == ConvKind::Linear,
            (Op::Flatten, _) => return true,
            (
                Op::Binary(_) | Op::Activation(_) | Op::Prelu(_) | Op::BatchNorm(_) | Op::Concat(_) | Op::Softmax(_),
                Some(Source::Node(before)),
            ) => node = *before,
            _ => return false,
        }
    }
}
