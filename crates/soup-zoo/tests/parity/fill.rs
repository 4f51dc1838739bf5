//! Values by formula, the same as in `fixtures/fill.py`, so that fixtures need hold no weights.

use soup_graph::{Graph, Role, Weights};

/// FNV-1a, 64 bits.
pub fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |value, byte| {
        (value ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// Uniform in `[0, 1)`, multiples of 2^-24: SplitMix64 of the name's hash plus the index.
pub fn uniform(name: &str, length: usize) -> Vec<f32> {
    let start = name_hash(name);
    (1..=length as u64)
        .map(|n| {
            let z = start.wrapping_add(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let z = z ^ (z >> 31);
            (z >> 40) as f32 / 16_777_216.0
        })
        .collect()
}

/// Filters with variance `gain / fan_in`, everything else far from its start.
pub fn weights(graph: &Graph, gain: f64) -> Weights {
    let mut weights = Weights::zeros(graph);
    for parameter in graph.parameters() {
        let fan_in: usize = parameter.shape()[1..].iter().product();
        let bound = (3.0 * gain / fan_in as f64).sqrt() as f32;
        let (shift, scale) = match parameter.role() {
            _ if parameter.name().ends_with(".power") => (0.5, 1.0),
            Role::RunningMean => (-0.5, 0.4),
            Role::RunningVariance | Role::NormWeight => (0.5, 1.0),
            Role::Bias | Role::NormBias => (-0.5, 0.6),
            Role::Weight => (-0.5, 2.0 * bound),
        };
        let values = uniform(parameter.name(), parameter.len());
        for (target, u) in weights.of_mut(parameter).iter_mut().zip(values) {
            *target = (u + shift) * scale;
        }
    }
    weights
}

/// Images between -2 and 2, channels last.
pub fn images(length: usize) -> Vec<f32> {
    let values = uniform("images", length);
    values.into_iter().map(|u| 4.0 * (u - 0.5)).collect()
}
