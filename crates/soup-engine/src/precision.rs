//! What a value of a map is stored as.

/// How activations and gradients of activations are stored and multiplied. Parameters, their gradients, sums and the
/// statistics of batch norms are `f32` either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// bfloat16, single precision's upper half: half the memory, and twice the speed of products where the
    /// processor has instructions for them.
    Bf16,
}

impl Precision {
    /// Both.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    /// `f32` or `bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// The precision with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// Values in a word of four bytes: what a product multiplies at a time.
    pub fn per_word(self) -> usize {
        4 / self.bytes()
    }

    /// Words that so many values take.
    pub fn words(self, values: usize) -> usize {
        values.div_ceil(self.per_word())
    }
}
