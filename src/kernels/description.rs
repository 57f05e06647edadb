//! A variant described: its label, its text, what it binds and needs. Kernels say what they are made of,
//! in the order in which labels and texts have it.

use std::borrow::Cow;
use std::fmt::Display;

use super::part::{Part, with_constant};
use super::{Access, Affine, Curve, End, Filters, Gains, Role, Tensor, WeightLoad, Weights};
use crate::method::activation::Activation;
use crate::method::placement::Boundary;
use crate::method::quantization::Precision;

/// What can be said of a kernel variant without compiling it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description {
    kernel: &'static str,
    /// Of the label, after the kernel's name.
    words: Vec<String>,
    /// Texts that go before the kernel's.
    parts: Vec<Part>,
    text: &'static str,
    constants: Vec<(&'static str, u32)>,
    /// Named types that are f16 in this variant; by default they are f32.
    halves: Vec<&'static str>,
    /// Tensors that stay f32 beside others in f16, as labels have them.
    singles: Vec<&'static str>,
    weights: Option<Precision>,
    /// Something is moved as words of 64 bits.
    words64: bool,
    roles: Vec<Role>,
    features: wgpu::Features,
    threads: u32,
    workgroup_bytes: u64,
    read_write: bool,
}

impl Description {
    /// A kernel in workgroups of `threads`, which binds nothing yet but its uniform.
    pub(super) fn new(kernel: &'static str, text: &'static str, threads: u32) -> Self {
        Self {
            kernel,
            words: Vec::new(),
            parts: Vec::new(),
            text,
            constants: Vec::new(),
            halves: Vec::new(),
            singles: Vec::new(),
            weights: None,
            words64: false,
            roles: Vec::new(),
            features: wgpu::Features::empty(),
            threads,
            workgroup_bytes: 0,
            read_write: false,
        }
    }

    /// The same of a row of `lanes` threads, which the name and the text say.
    #[cfg(feature = "network")]
    pub(super) fn in_lanes(kernel: &'static str, text: &'static str, lanes: u32) -> Self {
        Self::new(kernel, text, lanes).word(lanes).constant("LANES", lanes)
    }

    /// The same of a convolution, whose uniform begins with its geometry.
    pub(super) fn of_convolution(kernel: &'static str, text: &'static str, threads: u32) -> Self {
        let described = Self::new(kernel, text, threads).part(include_str!("../../shaders/parts/numbers.wgsl"));
        described.part(include_str!("../../shaders/parts/geometry.wgsl"))
    }

    /// A word of the label.
    pub(super) fn word(mut self, word: impl Display) -> Self {
        self.words.push(word.to_string());
        self
    }

    /// A text before the kernel's, once.
    pub(super) fn part(mut self, text: &'static str) -> Self {
        if !self.parts.contains(&Part::Text(text)) {
            self.parts.push(Part::Text(text));
        }
        self
    }

    /// The value of a constant that the text, or a part, gives a default.
    pub(super) fn constant(mut self, name: &'static str, value: u32) -> Self {
        self.constants.push((name, value));
        self
    }

    pub(super) fn constants(mut self, constants: impl IntoIterator<Item = (&'static str, u32)>) -> Self {
        self.constants.extend(constants);
        self
    }

    /// Something that is bound, and declared by the kernel's own text.
    pub(super) fn role(mut self, role: Role) -> Self {
        self.roles.push(role);
        self.roles.sort_by_key(|role| role.binding());
        self
    }

    /// What the kernel uses beyond WebGPU's core, whatever the variant.
    pub(super) fn features(mut self, features: wgpu::Features) -> Self {
        self.features |= features;
        self
    }

    /// Bytes of workgroup memory; a test compares them with what naga finds in the shader.
    pub(super) fn workgroup_bytes(self, workgroup_bytes: u64) -> Self {
        Self { workgroup_bytes, ..self }
    }

    /// All storage buffers are bound read_write, for engines that keep several tensors in one buffer.
    pub(super) fn read_write(self, read_write: bool) -> Self {
        Self { read_write, ..self }
    }

    /// Reads the input.
    pub(super) fn input(self, input: Tensor) -> Self {
        let described = self.reads("input", Role::Input, input.access).word(format!("in{}", input.access.values()));
        described.typed("Input", "in32", input)
    }

    /// Loads weights; `table` says where.
    pub(super) fn weights(self, weights: Weights) -> Self {
        let described = self.role(Role::Table).word(weights.word());
        let described = match (weights.precision, weights.load) {
            (Precision::F32, WeightLoad::Scalar(_)) => described.reads("summary", Role::Summary, Access::Scalar),
            (Precision::F32, WeightLoad::Vec4) if weights.words => {
                described.reads("summary", Role::Summary, Access::Words)
            }
            (Precision::F32, WeightLoad::Vec4) => described.reads("summary", Role::Summary, Access::Vec4),
            (Precision::F16, WeightLoad::Scalar(_)) => {
                described.role(Role::Summary).part(include_str!("../../shaders/parts/weights_f16_scalar.wgsl"))
            }
            (Precision::F16, WeightLoad::Vec4) => {
                described.role(Role::Summary).part(include_str!("../../shaders/parts/weights_f16_vec4.wgsl"))
            }
            (Precision::U8, _) => {
                described.role(Role::Summary).part(include_str!("../../shaders/parts/weights_u8.wgsl"))
            }
        };
        let described = match weights.load {
            WeightLoad::Vec4 => described.part(include_str!("../../shaders/parts/summary_vec4.wgsl")),
            WeightLoad::Scalar(boundary) => described
                .part(include_str!("../../shaders/parts/summary_scalar.wgsl"))
                .constant("BOUNDARY", boundary_code(boundary)),
        };
        Self { weights: Some(weights.precision), ..described }
    }

    /// Filters that may be blends of two neighbouring segments, and whose taps may have gains: all of it
    /// where products are added up.
    pub(super) fn filter_sums(self, filters: Filters) -> Self {
        let described = self.part(include_str!("../../shaders/parts/blend.wgsl"));
        let described = if filters.blended { described.word("blend").constant("NEIGHBOURS", 2) } else { described };
        let described = match filters.gains {
            Gains::None => return described.part(include_str!("../../shaders/parts/gains.wgsl")),
            Gains::Own => described.word("gains").part(include_str!("../../shaders/parts/gains.wgsl")),
            Gains::Lent => {
                let described = described.word("lentgains").reads("gains", Role::Gains, Access::Scalar);
                described.part(include_str!("../../shaders/parts/gains_lent.wgsl"))
            }
        };
        described.constant("GAINS", 1)
    }

    /// The same where weights are loaded.
    pub(super) fn filter_weights(self, filters: Filters) -> Self {
        self.filter_sums(filters).part(include_str!("../../shaders/parts/blend_weights.wgsl"))
    }

    /// Does to products what a base stage says, if there is one.
    pub(super) fn base_stage(self, base_stage: Option<Activation>) -> Self {
        let described = self.part(include_str!("../../shaders/parts/activation.wgsl"));
        let described = described.part(include_str!("../../shaders/parts/base_stage.wgsl"));
        let Some(activation) = base_stage else { return described };
        let described = described.word("stage").constant("BASE_STAGE", 1);
        let described = described.constant("BASE_ACTIVATION", activation.code());
        Curve::from(activation).word().into_iter().fold(described, Self::word)
    }

    /// Reads products.
    pub(super) fn products_in(self, access: Access) -> Self {
        self.reads("products", Role::ProductsIn, access)
    }

    /// Writes products.
    pub(super) fn products_out(self, access: Access) -> Self {
        self.written(Role::ProductsOut, access)
    }

    /// Finishes outputs.
    pub(super) fn end(self, end: End) -> Self {
        self.affine(end.affine).part(include_str!("../../shaders/parts/epilogue.wgsl")).stored(end)
    }

    /// Reads scales and biases of output channels.
    pub(super) fn affine(self, affine: Affine) -> Self {
        let described = if affine.scale_is_lent {
            self.word("lentscale").reads("scale", Role::Scale, Access::Scalar)
        } else {
            self.part(include_str!("../../shaders/parts/scale.wgsl"))
        };
        if affine.bias_is_lent {
            described.word("lentbias").reads("bias", Role::Bias, Access::Scalar)
        } else {
            described.part(include_str!("../../shaders/parts/bias.wgsl"))
        }
    }

    /// Adds a residual, if there is one, and stores outputs after an activation.
    pub(super) fn stored(self, end: End) -> Self {
        let described = match end.residual {
            None => self.part(include_str!("../../shaders/parts/residual_none.wgsl")),
            Some(residual) => self.reads("residual", Role::Residual, residual.access),
        };
        let described = described.output(end.output);
        let described = match end.residual {
            None => described,
            Some(residual) => {
                let word = format!("res{}", residual.access.values());
                described.word(word).typed("Residual", "res32", residual)
            }
        };
        described.activation(end.activation)
    }

    /// Writes the output.
    pub(super) fn output(self, output: Tensor) -> Self {
        self.written(Role::Output, output.access).typed("Output", "out32", output)
    }

    /// Ends with an activation.
    pub(super) fn activation(self, activation: Curve) -> Self {
        let described = activation.word().into_iter().fold(self, Self::word);
        let described = activation.texts().iter().fold(described, |described, text| described.part(text));
        described.constants(activation.code().map(|code| ("ACTIVATION", code)))
    }

    fn written(self, role: Role, access: Access) -> Self {
        self.role(role).word(format!("out{}", access.values())).part(access.write_text()).moved(access)
    }

    /// Reads a tensor, by functions that begin with its name.
    pub(super) fn reads(mut self, name: &'static str, role: Role, access: Access) -> Self {
        self.parts.push(Part::Read { name, role, access });
        self.role(role).moved(access)
    }

    fn moved(self, access: Access) -> Self {
        Self { words64: self.words64 || access.moves_words(), ..self }
    }

    fn typed(mut self, name: &'static str, single: &'static str, tensor: Tensor) -> Self {
        if tensor.half {
            self.halves.push(name)
        } else {
            self.singles.push(single)
        }
        self
    }
}

/// What others ask.
impl Description {
    /// As errors name the kernel.
    pub(crate) fn kernel(&self) -> &'static str {
        self.kernel
    }

    /// `fs_products-8x8x8x2-in4-f4`, unique to the variant: what people read in `fsnet inspect`, profilers and results.
    pub(crate) fn label(&self) -> String {
        let has_halves = !self.halves.is_empty();
        let storage = match (has_halves, self.weights) {
            (true, Some(Precision::U8)) => Some("f16w8"),
            (true, Some(Precision::F32)) => Some("f16w32"),
            (true, Some(Precision::F16) | None) => Some("f16"),
            (false, Some(Precision::F16)) => Some("w16"),
            (false, Some(Precision::U8)) => Some("w8"),
            (false, Some(Precision::F32) | None) => None,
        };
        // Beside f16, a residual or an output of f32 is the sum of a part.
        let singles = ["res32", "out32"].into_iter().filter(|word| has_halves && self.singles.contains(word));
        let flags = [self.words64.then_some("pairs"), self.read_write.then_some("rw")];
        let words = self.words.iter().map(String::as_str).chain(storage).chain(singles);
        let words: Vec<&str> = words.chain(flags.into_iter().flatten()).collect();
        format!("fs_{}-{}", self.kernel, words.join("-"))
    }

    /// What is bound beside the uniform, in the order of binding numbers.
    pub(crate) fn roles(&self) -> &[Role] {
        &self.roles
    }

    /// Features used beyond WebGPU's core.
    pub(crate) fn needs(&self) -> wgpu::Features {
        let when = |used: bool, feature: wgpu::Features| if used { feature } else { wgpu::Features::empty() };
        self.features
            | when(!self.halves.is_empty(), wgpu::Features::SHADER_F16)
            | when(self.words64, wgpu::Features::SHADER_INT64)
    }

    /// Threads of a workgroup.
    pub(crate) fn threads(&self) -> u32 {
        self.threads
    }

    /// Bytes of workgroup memory.
    pub(crate) fn memory(&self) -> u64 {
        self.workgroup_bytes
    }

    /// Whether everything is bound read_write.
    pub(crate) fn is_read_write(&self) -> bool {
        self.read_write
    }

    /// How weights are stored, where it loads any.
    pub(crate) fn weights_in(&self) -> Option<Precision> {
        self.weights
    }

    /// The WGSL: parts, then the kernel, with this variant's constants and types in place of the defaults.
    pub(crate) fn source(&self) -> String {
        let pairs = self.words64.then_some(include_str!("../../shaders/parts/words.wgsl"));
        let grid = include_str!("../../shaders/parts/grid.wgsl");
        let parts = self.parts.iter().map(|part| part.text());
        let texts = std::iter::once(grid).chain(pairs).map(Cow::Borrowed).chain(parts);
        let mut source: String = texts.chain([Cow::Borrowed(self.text)]).collect();
        for &(name, value) in &self.constants {
            source = with_constant(&source, name, value);
        }
        for name in &self.halves {
            source = source.replace(&format!("alias {name} = f32;"), &format!("alias {name} = f16;"));
        }
        if self.needs().contains(wgpu::Features::SHADER_F16) {
            source.insert_str(0, "enable f16;\n");
        }
        if self.needs().contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
            source.insert_str(0, "enable wgpu_cooperative_matrix;\n");
        }
        if self.read_write {
            source = source.replace("var<storage, read>", "var<storage, read_write>");
        }
        source
    }

    /// Constants as they are given, for tests.
    #[cfg(test)]
    pub(super) fn given(&self) -> &[(&'static str, u32)] {
        &self.constants
    }

    /// Types that are f16, for tests.
    #[cfg(test)]
    pub(super) fn half_types(&self) -> &[&'static str] {
        &self.halves
    }
}

fn boundary_code(boundary: Boundary) -> u32 {
    match boundary {
        Boundary::None => 0,
        Boundary::Zero => 1,
        Boundary::Wrap => 2,
    }
}
