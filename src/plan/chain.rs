//! The accumulation along chains of filters that share row sums, each some kernel rows further in the summary than the last: it
//! loads a sum once for all of them. For software adapters, to which loads are dear.

use super::Step;
use super::shared::{Pass, Stored};
use crate::reduction::MOST_TURNS;
use crate::spec::{Access, Chain, Kernel, Spec, Tile};

/// Filters of one chain. Eight load less, but read and write more places at a time: slower on lavapipe.
const LENGTH: u32 = 4;

/// Most row sums an output adds up: all links of a chain are in registers.
const MOST_TERMS: usize = 7;

/// Which filters make chains: every `step`-th, and by how many kernel rows one is further than the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Links {
    step: usize,
    terms: usize,
}

/// The links of filters that read `terms` slots each; those one kernel row apart first, as they share the most.
fn links(slots: &[u32], terms: usize) -> Option<Links> {
    let filters = slots.len() / terms;
    (1..terms.min(3)).find_map(|apart| {
        // Half the filters have a next one.
        let step = (1..=filters / 2).find(|step| slots[step * terms] == slots[apart])?;
        let shared = |filter: usize| {
            let (own, next) = (filter * terms, (filter + step) * terms);
            slots[own + apart..own + terms] == slots[next..next + terms - apart]
        };
        (0..filters - step).all(shared).then_some(Links { step, terms: apart })
    })
}

/// The dispatch for some of the images; `None` where filters make no chains, or outputs are no diagonals of row sums.
pub(super) fn step(pass: &Pass<'_>, stored: Stored) -> Option<Step> {
    let Pass { problem, target, options, chunk, tables } = pass;
    // Blends of two segments have two lists of slots.
    if problem.bases().neighbours > 1 {
        return None;
    }
    let [_, _, height, _] = problem.input_shape();
    let [_, out_channels, out_height, out_width] = problem.output_shape();
    let (conv, terms) = (problem.conv(), problem.placement().window().height());
    let diagonal = conv.stride[0] == 1 && out_height == height && (terms - 1) * conv.dilation[0] < height;
    let diagonal = diagonal && problem.whole().first_tap == [0, 0] && height as u64 <= MOST_TURNS;
    if !target.software || stored.row_taps < 2 || conv.groups > 1 || !diagonal || terms > MOST_TERMS {
        return None;
    }
    let links = links(tables.tap_slots(), terms)?;
    let output = Access::for_lengths(&[out_width]);
    let tile = Tile { lanes_x: 8, lanes_y: 1, rows: 1, quads: 1, depth: 0, slices: 1 };
    let spec = Spec {
        terms: Some([terms as u32, 1]),
        chain: Some(Chain { filters: LENGTH, terms: links.terms as u32 }),
        output: Some(output),
        residual: problem.residual().then_some(output),
        activation: Some(problem.activation()),
        storage: options.storage.of_tensors(),
        read_write: options.bind_read_write,
        ..Spec::new(Kernel::AccumulateChains, tile)
    };
    let row_quads = out_width.div_ceil(4);
    let chains = links.step * out_channels.div_ceil(links.step * LENGTH as usize);
    let threads = row_quads * chains * chunk.images;
    let tiles = threads.div_ceil(tile.threads() as usize) as u64;
    let params = vec![
        ("threads", threads as u32),
        ("row_quads", row_quads as u32),
        ("height", height as u32),
        ("pitch", stored.pitch as u32),
        ("out_channels", out_channels as u32),
        ("out_width", out_width as u32),
        ("channels_total", problem.output_tensor_shape()[1] as u32),
        ("channel_offset", problem.channel_offset() as u32),
        ("first_image", chunk.first as u32),
        ("images", chunk.images as u32),
        ("dilation_y", conv.dilation[0] as u32),
        ("pad_top", problem.before()[0]),
        ("step", links.step as u32),
        ("chains", chains as u32),
        ("slots_at", tables.at.tap_slots as u32),
        ("scale_at", tables.at.scale as u32),
        ("bias_at", tables.at.bias as u32),
    ];
    Some(Step::new(spec, tiles, target.limits.max_compute_workgroups_per_dimension, params))
}

#[cfg(test)]
mod tests {
    use super::{Links, links};

    /// Slots of `filters` filters that begin `step` slots apart and read three, `row` slots apart.
    fn slots(filters: u32, step: u32, row: u32) -> Vec<u32> {
        (0..filters).flat_map(|filter| (0..3).map(move |term| filter * step + term * row)).collect()
    }

    #[test]
    fn filters_one_kernel_row_apart_make_chains() {
        assert_eq!(links(&slots(12, 1, 3), 3), Some(Links { step: 3, terms: 1 }));
        assert_eq!(links(&slots(12, 3, 3), 3), Some(Links { step: 1, terms: 1 }));
        assert_eq!(links(&slots(12, 1, 6), 3), Some(Links { step: 6, terms: 1 }));
    }

    #[test]
    fn filters_two_kernel_rows_apart_share_one_of_three() {
        assert_eq!(links(&slots(12, 2, 3), 3), Some(Links { step: 3, terms: 2 }));
    }

    #[test]
    fn one_filter_out_of_line_breaks_every_chain() {
        let mut slots = slots(12, 1, 3);
        slots[3 * 11] = 40;
        assert_eq!(links(&slots, 3), None);
    }

    #[test]
    fn too_few_filters_make_no_chain() {
        assert_eq!(links(&slots(5, 1, 3), 3), None);
        assert_eq!(links(&slots(12, 1, 1), 1), None);
    }
}
