//! The problem: what must be computed. Shapes, stride, padding, dilation, groups, epilogue; no device.

use std::sync::Arc;

use crate::check::check_size;
use crate::error::{Error, Result};
use crate::method::activation::Activation;
use crate::method::base_stage::check_bases;
use crate::method::conv2d::Conv2d;
use crate::method::placement::Placement;
use crate::method::reduction::Part;
use crate::method::sharing::{Bases, Sharing};
use crate::method::window::INDEX_LIMIT;

/// One convolution to compute: `activation(scale * conv(x) + bias + residual)` for a batch of images, NCHW, f32; with a
/// [base stage](Problem::with_base_stage), more is done to the products that taps share.
///
/// ```
/// use filter_summary::{Activation, Conv2d, Placement, Problem};
///
/// let placement = Placement::tap_major(64, 32, 3, 3, 32)?;
/// let problem = Problem::new(&placement, Conv2d::padded(1), [8, 28, 28])?.with_activation(Activation::Relu);
/// assert_eq!(problem.input_shape(), [8, 32, 28, 28]);
/// assert_eq!(problem.output_shape(), [8, 64, 28, 28]);
/// assert_eq!(problem.sharing().bases(), 72); // 64 + 8 instead of 64 * 9
/// # Ok::<(), filter_summary::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Problem {
    conv: Conv2d,
    batch: usize,
    input: [usize; 2],
    output: [usize; 2],
    activation: Activation,
    base_stage: Option<Activation>,
    residual: bool,
    channel_offset: usize,
    channels_total: usize,
    whole: Whole,
    layer: Arc<Layer>,
}

/// The convolution that a problem is, or is a part of: how its input and dense weights lie in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole {
    /// Channels of a group, and the first of them that the problem sums.
    pub(crate) channels: usize,
    pub(crate) first_channel: usize,
    /// Height and width of the kernel, and the first row and column that the problem sums.
    pub(crate) kernel: [usize; 2],
    pub(crate) first_tap: [usize; 2],
}

/// What depends on the placement and the groups only, analysed once and shared by problems of any input size.
#[derive(Debug)]
struct Layer {
    placement: Placement,
    bases: Bases,
    sharing: Sharing,
}

impl Problem {
    /// A convolution with `placement` over `[batch, height, width]` images.
    ///
    /// # Errors
    /// When a size is zero or too large, groups do not divide the filters, or the kernel exceeds the padded input.
    pub fn new(placement: &Placement, conv: Conv2d, [batch, height, width]: [usize; 3]) -> Result<Self> {
        check_size("batch", batch, INDEX_LIMIT)?;
        check_size("groups", conv.groups, INDEX_LIMIT)?;
        let filters = placement.filters();
        if !filters.is_multiple_of(conv.groups) {
            return Err(Error::value("groups", conv.groups, format!("it must divide the {filters} output channels")));
        }
        let window = placement.window();
        let output = conv.output_size([height, width], [window.height(), window.width()])?;
        let bases = Bases::new(placement);
        let sharing = Sharing::from_bases(&bases, placement, conv.groups);
        let layer = Arc::new(Layer { placement: placement.clone(), bases, sharing });
        let problem = Self {
            conv,
            batch,
            input: [height, width],
            output,
            activation: Activation::None,
            base_stage: None,
            residual: false,
            channel_offset: 0,
            channels_total: filters,
            whole: Whole {
                channels: window.channels(),
                first_channel: 0,
                kernel: [window.height(), window.width()],
                first_tap: [0, 0],
            },
            layer,
        };
        problem.check_tensors()?;
        Ok(problem)
    }

    /// The convolution with some of the taps and channels only, over the same input. All but the last store their sum
    /// by itself and without an activation; all but the first add to it.
    pub(crate) fn part(&self, part: &Part, is_first: bool, is_last: bool) -> Result<Self> {
        let placement = self.placement().part(part)?;
        let bases = Bases::new(&placement);
        let sharing = Sharing::from_bases(&bases, &placement, self.conv.groups);
        let first_tap = [part.rows.start, part.columns.start];
        let whole = Whole { first_channel: part.channels.start, first_tap, ..self.whole };
        let mut problem = Self { whole, layer: Arc::new(Layer { placement, bases, sharing }), ..self.clone() };
        problem.residual |= !is_first;
        if !is_last {
            problem.activation = Activation::None;
            (problem.channel_offset, problem.channels_total) = (0, problem.out_channels());
        }
        Ok(problem)
    }

    /// Applies an activation last.
    #[must_use]
    pub fn with_activation(mut self, activation: Activation) -> Self {
        self.activation = activation;
        self
    }

    /// Does something to every product before taps add it up: an affine map of its base's own, and an activation.
    ///
    /// ```text
    /// P[u, q] = sum_c f[base(u) + c * channel_stride] * X[c, q]
    /// Y[i, p] = sum_t gains[i, t] * activation(base_scale[u] * P[u, p + t] + base_bias[u])     u = base(i, t)
    /// ```
    ///
    /// with nothing outside the picture, whatever the biases are. Bases are the distinct `starts[i] + tap_offsets[t]`,
    /// ascending, group after group: [`Sharing::bases`] of them. With one base a filter that is a 1x1 convolution with
    /// batch norm and activation, then a depthwise one, as in MobileNetV2. The numbers are
    /// [`ChannelParams`](crate::ChannelParams)'s; without them the activation is all there is.
    ///
    /// Shared and fused products compute it; a sum that is cut into parts cannot.
    ///
    /// # Errors
    /// When bases have no order of their own: with learned positions, rank-3 summaries and boundaries other than
    /// `none`; or when the activation is none of none, ReLU and ReLU6.
    pub fn with_base_stage(mut self, activation: Activation) -> Result<Self> {
        activation.check_of_bases()?;
        check_bases(self.placement())?;
        self.base_stage = Some(activation);
        let layer = &self.layer;
        let sharing = layer.sharing.clone().of_single_products();
        self.layer = Arc::new(Layer { placement: layer.placement.clone(), bases: layer.bases.clone(), sharing });
        Ok(self)
    }

    /// The activation of the base stage, if there is one.
    pub fn base_stage(&self) -> Option<Activation> {
        self.base_stage
    }

    /// Adds a tensor of the output's shape before the activation.
    #[must_use]
    pub fn with_residual(mut self) -> Self {
        self.residual = true;
        self
    }

    /// Writes channels `offset..offset + O` of a tensor with `total` channels, so that concatenation costs nothing.
    ///
    /// A residual is read from a tensor of O channels.
    ///
    /// # Errors
    /// When the channels do not fit in `total`, or the tensor becomes too large.
    pub fn into_channels(mut self, offset: usize, total: usize) -> Result<Self> {
        let filters = self.out_channels();
        if offset.checked_add(filters).is_none_or(|end| end > total) {
            let rule = format!("{filters} channels from there must fit in a tensor of {total}");
            return Err(Error::value("output channel offset", offset, rule));
        }
        (self.channel_offset, self.channels_total) = (offset, total);
        self.check_tensors()?;
        Ok(self)
    }

    /// The same layer over other `[batch, height, width]` images.
    ///
    /// # Errors
    /// As [`Problem::new`].
    pub fn resized(&self, [batch, height, width]: [usize; 3]) -> Result<Self> {
        check_size("batch", batch, INDEX_LIMIT)?;
        let window = self.placement().window();
        let output = self.conv.output_size([height, width], [window.height(), window.width()])?;
        let problem = Self { batch, input: [height, width], output, ..self.clone() };
        problem.check_tensors()?;
        Ok(problem)
    }

    fn check_tensors(&self) -> Result<()> {
        for (field, shape) in [("input", self.input_shape()), ("output", self.output_tensor_shape())] {
            let elements = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
            if elements.is_none_or(|elements| elements > INDEX_LIMIT) {
                let rule = format!("a tensor must have at most {INDEX_LIMIT} elements");
                return Err(Error::value(format!("{field} shape"), format!("{shape:?}"), rule));
            }
        }
        Ok(())
    }

    /// The placement of the filters.
    pub fn placement(&self) -> &Placement {
        &self.layer.placement
    }

    /// Whether another problem is to compute the same.
    #[cfg(feature = "network")]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let shapes = |problem: &Self| [problem.input_shape(), problem.output_tensor_shape()];
        let stages = |problem: &Self| (problem.base_stage, problem.activation);
        let ends = |problem: &Self| (stages(problem), problem.residual, problem.channel_offset);
        (self.conv, shapes(self), ends(self)) == (other.conv, shapes(other), ends(other))
            && (Arc::ptr_eq(&self.layer, &other.layer) || self.placement() == other.placement())
    }

    pub(crate) fn bases(&self) -> &Bases {
        &self.layer.bases
    }

    /// The place among all bases, group after group, of the one that a tap of a filter with a fixed position reads.
    pub(crate) fn base_of(&self, filter: usize, tap: usize) -> usize {
        let (sharing, taps) = (self.sharing(), self.placement().taps());
        let group = filter / (self.out_channels() / self.conv.groups);
        sharing.first_base(group) + sharing.rows()[filter * taps + tap] as usize
    }

    /// Which bases the filters have in common.
    pub fn sharing(&self) -> &Sharing {
        &self.layer.sharing
    }

    /// Stride, padding, dilation, groups.
    pub fn conv(&self) -> &Conv2d {
        &self.conv
    }

    /// N.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// O.
    pub fn out_channels(&self) -> usize {
        self.layer.placement.filters()
    }

    /// C, over all groups.
    pub fn in_channels(&self) -> usize {
        self.whole.channels.saturating_mul(self.conv.groups)
    }

    pub(crate) fn whole(&self) -> &Whole {
        &self.whole
    }

    /// Input rows and columns that the first tap of the first output lies above and left of the input. Below 0 for
    /// later taps, as kernels see them: numbers that wrap around.
    pub(crate) fn before(&self) -> [u32; 2] {
        let before = |axis: usize| {
            let padding = self.conv.padding[axis] as u32;
            padding.wrapping_sub((self.whole.first_tap[axis] as u32).wrapping_mul(self.conv.dilation[axis] as u32))
        };
        [before(0), before(1)]
    }

    /// The taps that it sums, counted in the whole kernel, row-major.
    pub(crate) fn own_taps(&self) -> impl Iterator<Item = usize> + Clone {
        let ([first_row, first_column], [_, columns]) = (self.whole.first_tap, self.whole.kernel);
        let (height, width) = (self.placement().window().height(), self.placement().window().width());
        (0..height).flat_map(move |y| (0..width).map(move |x| (first_row + y) * columns + first_column + x))
    }

    /// Whether the first tap of every kernel row is the kernel's own.
    pub(crate) fn begins_rows(&self) -> bool {
        self.whole.first_tap[1] == 0
    }

    /// `[N, C, H, W]`.
    pub fn input_shape(&self) -> [usize; 4] {
        [self.batch, self.in_channels(), self.input[0], self.input[1]]
    }

    /// `[N, O, OH, OW]`: what is computed, and the shape of a residual.
    pub fn output_shape(&self) -> [usize; 4] {
        [self.batch, self.out_channels(), self.output[0], self.output[1]]
    }

    /// Shape of the tensor that is written into: [`Self::output_shape`] unless [`Self::into_channels`] widened it.
    pub fn output_tensor_shape(&self) -> [usize; 4] {
        [self.batch, self.channels_total, self.output[0], self.output[1]]
    }

    /// First channel that is written.
    pub fn channel_offset(&self) -> usize {
        self.channel_offset
    }

    /// Whether a residual is added.
    pub fn residual(&self) -> bool {
        self.residual
    }

    /// Checks that a residual is given exactly when one is to be added.
    pub(crate) fn check_residual(&self, given: bool) -> Result<()> {
        if given == self.residual {
            return Ok(());
        }
        let value = if given { "given" } else { "absent" };
        Err(Error::value("residual", value, "it must be given exactly when the problem has one"))
    }

    /// The activation applied last.
    pub fn activation(&self) -> Activation {
        self.activation
    }

    /// Channels of a group, rounded up to a multiple of four: dense weights are packed so.
    pub(crate) fn padded_channels(&self) -> usize {
        self.whole.channels.next_multiple_of(4)
    }

    /// Numbers of the output: `N * O * OH * OW`.
    pub(crate) fn outputs(&self) -> u64 {
        self.output_shape().iter().map(|&size| size as u64).product()
    }

    /// Multiply-adds of the dense convolution (and of gather): `N * O * OH * OW * K`.
    pub fn dense_multiply_adds(&self) -> u64 {
        self.outputs() * self.placement().window().weights() as u64
    }

    /// Multiply-adds of shared products, without padding to tiles: `N * H * W * C/groups * |U|`; and those of gains,
    /// one a tap and output, twice as many for learned positions, and of a base stage, one a product.
    pub fn shared_multiply_adds(&self) -> u64 {
        let pixels = (self.batch * self.input[0] * self.input[1]) as u64;
        let of_product = self.placement().window().channels() + usize::from(self.base_stage.is_some());
        let products = pixels * (of_product * self.sharing().bases()) as u64;
        products + if self.placement().has_gains() { self.terms() } else { 0 }
    }

    /// What outputs add up where products are not summed before.
    fn terms(&self) -> u64 {
        self.outputs() * (self.bases().neighbours * self.placement().taps()) as u64
    }

    /// Additions of the accumulation that follows shared products: one a tap and output, or one a kernel row and output
    /// where taps are evenly spaced and row sums can be taken with the products; twice as many for learned positions,
    /// none with gains, which make them [multiply-adds](Self::shared_multiply_adds).
    /// [`Plan::additions`](crate::Plan::additions) says what a plan does.
    pub fn shared_additions(&self) -> u64 {
        if self.placement().has_gains() {
            return 0;
        }
        let columns = if self.sharing().row_step().is_some() { self.placement().window().width() } else { 1 };
        self.terms() / columns as u64
    }
}
