//! Pass 2 along chains of filters that share row sums, each some kernel rows further in the summary than the last.

use crate::kernels::software::accumulate::{Accumulate, Uniform};
use crate::kernels::{Filters, Geometry, Kernel};
use crate::plan::shared::Pass;
use crate::plan::tables::Stored;
use crate::plan::{Step, accumulate};

/// Filters of one chain. Eight load less, but read and write more places at a time: slower on lavapipe.
const CHAIN: u32 = 4;

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

/// The dispatch for some of the images: along chains where there are some, and outputs are diagonals of row sums.
pub(super) fn step(pass: &Pass<'_>, stored: Stored) -> Step {
    along_chains(pass, stored).unwrap_or_else(|| accumulate::step(pass, stored))
}

fn along_chains(pass: &Pass<'_>, stored: Stored) -> Option<Step> {
    let Pass { ask, first_image, images, tables, .. } = pass;
    let problem = ask.problem;
    let [_, _, height, _] = problem.input_shape();
    let [_, out_channels, out_height, out_width] = problem.output_shape();
    let (conv, terms) = (problem.conv(), problem.placement().window().height());
    let diagonal = conv.stride[0] == 1 && out_height == height && (terms - 1) * conv.dilation[0] < height;
    let diagonal = diagonal && problem.whole().first_tap == [0, 0] && (problem.before()[0] as usize) < height;
    // Blends of two segments have two lists of slots.
    if ask.filters() != Filters::PLAIN || stored.row_taps < 2 || conv.groups > 1 || !diagonal || terms > MOST_TERMS {
        return None;
    }
    let links = links(&tables.words[tables.at.tap_slots..][..out_channels * terms], terms)?;
    let kernel = Accumulate {
        chain: CHAIN,
        terms: terms as u32,
        step: links.terms as u32,
        words: ask.words,
        end: ask.end(ask.access(&[out_width])),
        read_write: ask.options.bind_read_write,
    };
    if height as u64 * kernel.turns_a_diagonal() > ask.target.most_turns(kernel.unrolled()) {
        return None;
    }
    let row_quads = out_width.div_ceil(4);
    let chains = links.step * out_channels.div_ceil(links.step * CHAIN as usize);
    let threads = row_quads * chains * images;
    let uniform = Uniform {
        conv: Geometry::of(problem, problem.bases().channel_stride).at_image(*first_image),
        threads: threads as u32,
        row_quads: row_quads as u32,
        pitch: stored.pitch as u32,
        images: *images as u32,
        step: links.step as u32,
        chains: chains as u32,
        slots_at: tables.at.tap_slots as u32,
        scale_at: tables.at.scale as u32,
        bias_at: tables.at.bias as u32,
    };
    Some(Step::of_threads(kernel, &uniform, threads as u64, ask.most_workgroups()))
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
