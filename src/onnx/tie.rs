//! What a model computes of the sizes of its images, where it leaves them open.
//!
//! A network takes images of any size that its nodes take. What a model computes of sizes and then of values (a
//! standard deviation divides by a count less one, padding fills up to a multiple of 8) is a constant here, right for
//! one size. A model that looks at sizes is therefore imported for two more, and what comes out must be the network of
//! that size: else it is tied to the size that it was imported for, by a slice of all of its input, which readers
//! refuse in another. Two are no proof; an even and an odd one meet what models round to.

use super::graph::Graph;
use super::input::Input;
use crate::error::Result;
use crate::network::Network;

/// Whether the network is of images of its size alone; `import` makes one of an input of other sizes. Where the model
/// has branches, of which other sizes may take others, one that cannot be made is another.
pub(super) fn is_tied(
    graph: &Graph,
    input: &Input,
    network: &Network,
    has_branches: bool,
    import: impl Fn(&Input) -> Result<Network>,
) -> bool {
    let looks = graph.nodes.iter().any(|node| ["Shape", "Size"].contains(&node.op_type.as_str()));
    if !looks || !input.has_open_image() {
        return false;
    }
    let others: [fn(usize) -> usize; 2] = [|size| size * 2, |size| size + 5];
    others.into_iter().any(|other| {
        let other = input.resized(other);
        let [_, height, width] = other.shape();
        // What cannot be of that size tells nothing, nor does what says so by itself.
        match (network.with_input_size([height, width]), import(&other)) {
            (Ok(resized), Ok(imported)) => resized != imported,
            (Ok(_), Err(_)) => has_branches,
            (Err(_), _) => false,
        }
    })
}
