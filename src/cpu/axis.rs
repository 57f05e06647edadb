//! One axis of a convolution: which input coordinates its taps read, stride by stride.

use std::ops::Range;

/// One axis of a [`super::walk::Walk`]. Place `q` of a phase with residue `p` is input coordinate
/// `q * stride + p + offset`.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) stride: usize,
    pub(super) offset: i64,
    /// First kernel index that can read the image. [`Self::taps`] begin there; the kernel's others read only padding.
    first: usize,
    pub(super) taps: Vec<AxisTap>,
    /// Residues of the phases some tap reads, ascending.
    pub(super) phases: Vec<usize>,
    /// Largest shift.
    pub(super) halo: usize,
}

/// What a kernel index reads: output `y` reads place `y + shift` of a phase (an index into [`Axis::phases`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AxisTap {
    pub(super) phase: usize,
    pub(super) shift: usize,
    /// First output and end of the outputs that read the image rather than padding.
    outputs: [usize; 2],
}

impl AxisTap {
    pub(super) fn outputs(self) -> Range<usize> {
        self.outputs[0]..self.outputs[1]
    }
}

impl Axis {
    pub(super) fn new(
        [input, output]: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: usize,
        dilation: usize,
    ) -> Self {
        let coordinate = |tap: usize| (tap * dilation) as i64 - padding as i64;
        let reads_image =
            |&tap: &usize| coordinate(tap) < input as i64 && coordinate(tap) + ((output - 1) * stride) as i64 >= 0;
        let useful: Vec<usize> = (0..kernel).filter(reads_image).collect();
        let first = useful.first().copied().unwrap_or(0);
        let residue = |tap: usize| (tap - first) * dilation % stride;
        let mut phases: Vec<usize> = useful.iter().map(|&tap| residue(tap)).collect();
        phases.sort_unstable();
        phases.dedup();
        let tap = |&tap: &usize| AxisTap {
            phase: phases.partition_point(|&phase| phase < residue(tap)),
            shift: (tap - first) * dilation / stride,
            outputs: [0, input].map(|bound| steps_to(bound as i64 - coordinate(tap), stride).min(output)),
        };
        let taps: Vec<AxisTap> = useful.iter().map(tap).collect();
        let halo = taps.last().map_or(0, |tap| tap.shift);
        Self { input, output, stride, offset: coordinate(first), first, taps, phases, halo }
    }

    /// The tap of a kernel index, unless it reads nothing but padding.
    pub(super) fn tap(&self, kernel_index: usize) -> Option<usize> {
        kernel_index.checked_sub(self.first).filter(|&tap| tap < self.taps.len())
    }

    /// The kernel index of a tap.
    pub(super) fn kernel_index(&self, tap: usize) -> usize {
        self.first + tap
    }

    /// Those of `places` of a phase that lie in the input.
    pub(super) fn inside_of(&self, phase: usize, places: Range<usize>) -> Range<usize> {
        let inside = self.inside(phase);
        let start = inside.start.clamp(places.start, places.end);
        start..inside.end.clamp(start, places.end)
    }

    /// Places of a phase that lie in the input.
    pub(super) fn inside(&self, phase: usize) -> Range<usize> {
        let start = self.offset + self.phases[phase] as i64;
        let [first, end] =
            [0, self.input].map(|bound| steps_to(bound as i64 - start, self.stride).min(self.output + self.halo));
        first..end
    }

    /// The input coordinate of a place that lies in the input.
    pub(super) fn coordinate(&self, phase: usize, place: usize) -> usize {
        let coordinate = (place * self.stride + self.phases[phase]) as i64 + self.offset;
        usize::try_from(coordinate).unwrap_or(0)
    }

    /// The taps that read the image for an output. Both ends of their outputs descend with the tap, so they are a run.
    pub(super) fn taps_of(&self, output: usize) -> Range<usize> {
        let first = self.taps.partition_point(|tap| tap.outputs[0] > output);
        let end = self.taps.partition_point(|tap| tap.outputs[1] > output);
        first..end.max(first)
    }
}

/// Steps of `stride` that it takes to go `distance` or further.
fn steps_to(distance: i64, stride: usize) -> usize {
    usize::try_from(distance).map_or(0, |distance| distance.div_ceil(stride))
}

#[cfg(test)]
mod tests {
    use super::Axis;

    /// Every tap of every output, against the coordinate it reads by the definition of a convolution.
    #[test]
    fn taps_read_what_a_convolution_reads() {
        let options = [1, 2, 3].into_iter().flat_map(|stride| [1, 2, 4].map(|dilation| (stride, dilation)));
        for (stride, dilation) in options {
            for (input, kernel, padding) in [(7usize, 3, 1), (1, 3, 3), (5, 1, 0), (4, 5, 9), (9, 2, 0), (3, 1, 4)] {
                let Some(room) = (input + 2 * padding).checked_sub((kernel - 1) * dilation + 1) else { continue };
                let output = room / stride + 1;
                let axis = Axis::new([input, output], kernel, stride, padding, dilation);
                for y in 0..output {
                    let taps = axis.taps_of(y);
                    for index in 0..kernel {
                        let coordinate = (y * stride + index * dilation).checked_sub(padding).filter(|&at| at < input);
                        let tap = axis.tap(index).filter(|tap| taps.contains(tap)).map(|tap| axis.taps[tap]);
                        assert_eq!(tap.is_some(), coordinate.is_some());
                        let Some(tap) = tap else { continue };
                        assert!(tap.outputs().contains(&y) && axis.inside(tap.phase).contains(&(y + tap.shift)));
                        assert_eq!(Some(axis.coordinate(tap.phase, y + tap.shift)), coordinate);
                        assert!(tap.shift <= axis.halo && axis.kernel_index(axis.tap(index).unwrap()) == index);
                    }
                }
            }
        }
    }
}
