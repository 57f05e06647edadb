//! `binary`: two tensors element by element, and copies of one, between channels of wider tensors.

use bytemuck::{Pod, Zeroable};

use super::{Access, Curve, Description, Kernel, Numbers, Role, Tensor, Variant, Work};

/// A variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Binary {
    /// How quads of a plane of the result are stored.
    pub(crate) access: Access,
    pub(crate) left: Form,
    /// The operator, and what is on its right; else the left is copied.
    pub(crate) right: Option<(Operator, Right)>,
    pub(crate) activation: Curve,
    pub(crate) read_write: bool,
}

/// What is done to two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
}

/// How an operand's values lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    /// As the result's: quads of a plane are moved so.
    Whole(Access),
    /// One a channel.
    Channel,
    /// By any strides.
    Strided,
}

/// What is on the right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Right {
    Tensor(Form),
    /// A constant, which is the table.
    Constant(Form),
}

/// `Params` of the shader.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct Uniform {
    pub(crate) numbers: Numbers,
    pub(crate) images: u32,
    pub(crate) channels: u32,
    pub(crate) plane: u32,
    pub(crate) width: u32,
    pub(crate) left_first: u32,
    pub(crate) left_image: u32,
    pub(crate) left_channel: u32,
    pub(crate) left_row: u32,
    pub(crate) left_column: u32,
    pub(crate) right_first: u32,
    pub(crate) right_image: u32,
    pub(crate) right_channel: u32,
    pub(crate) right_row: u32,
    pub(crate) right_column: u32,
    pub(crate) channels_total: u32,
    pub(crate) channel_offset: u32,
}

impl Binary {
    /// Threads of a workgroup.
    pub(crate) const LANES: u32 = 64;
}

impl Operator {
    fn code(self) -> (&'static str, u32) {
        match self {
            Self::Add => ("add", 1),
            Self::Sub => ("sub", 2),
            Self::Mul => ("mul", 3),
            Self::Div => ("div", 4),
        }
    }
}

impl Form {
    fn access(self) -> Access {
        match self {
            Self::Whole(access) => access,
            Self::Channel | Self::Strided => Access::Scalar,
        }
    }

    fn code(self) -> u32 {
        match self {
            Self::Whole(_) => 0,
            Self::Channel => 1,
            Self::Strided => 2,
        }
    }

    fn word(self) -> String {
        match self {
            Self::Whole(access) => access.values().to_string(),
            Self::Channel => "channel".to_owned(),
            Self::Strided => "strided".to_owned(),
        }
    }
}

impl Kernel for Binary {
    type Uniform = Uniform;

    fn variant(self) -> Variant {
        Variant::Binary(self)
    }

    fn describe(&self) -> Description {
        let text = include_str!("../../shaders/network/binary.wgsl");
        let described = Description::in_lanes("binary", text, Self::LANES)
            .word(self.right.map_or("copy", |(operator, _)| operator.code().0))
            .word(format!("left{}", self.left.word()))
            .reads("input", Role::Input, self.left.access())
            .constant("LEFT_FORM", self.left.code())
            .part(include_str!("../../shaders/network/parts/plane_quads.wgsl"))
            .part(include_str!("../../shaders/parts/numbers.wgsl"));
        let described = match self.right {
            None => described.part(include_str!("../../shaders/parts/residual_none.wgsl")),
            Some((operator, right)) => {
                let (side, role, form) = match right {
                    Right::Tensor(form) => ("right", Role::Residual, form),
                    Right::Constant(form) => ("constant", Role::Table, form),
                };
                described
                    .word(format!("{side}{}", form.word()))
                    .reads("residual", role, form.access())
                    .constants([("OPERATOR", operator.code().1), ("RIGHT_FORM", form.code())])
            }
        };
        described.output(Tensor::f32(self.access)).activation(self.activation).read_write(self.read_write)
    }

    fn turns(&self, _: &Uniform) -> u64 {
        0
    }

    fn work(&self, _: &Uniform) -> Work {
        Work::MEMORY
    }
}

#[cfg(all(test, feature = "network", feature = "software"))]
impl Binary {
    /// For tests.
    pub(super) fn variants() -> Vec<Self> {
        use super::tests::{
            axes::{ACCESSES, EVERY_ACTIVATION},
            covering::covering,
        };

        let operators = [Operator::Add, Operator::Sub, Operator::Mul, Operator::Div];
        covering(&[3, 3, 3, 9, EVERY_ACTIVATION.len(), 2], |at| {
            let access = ACCESSES[at[0]];
            let forms = [Form::Whole(access), Form::Channel, Form::Strided];
            // What is copied lies as its copy does.
            let left = if at[3] == 0 { forms[0] } else { forms[at[1]] };
            let side = if at[3] <= 4 { Right::Tensor(forms[at[2]]) } else { Right::Constant(forms[at[2]]) };
            Some(Self {
                access,
                left,
                right: at[3].checked_sub(1).map(|code| (operators[code % 4], side)),
                activation: EVERY_ACTIVATION[at[4]].into(),
                read_write: at[5] == 1,
            })
        })
    }
}
