//! Whether values are numbers still.

use crate::{Graph, Weights};

/// Whether all values are numbers and none is infinite: one pass without a branch, as fast as memory gives them.
pub fn all_finite(values: &[f32]) -> bool {
    const EXPONENT: u32 = f32::INFINITY.to_bits();
    let is_wrong = |value: &f32| u32::from(value.to_bits() & EXPONENT == EXPONENT);
    values
        .iter()
        .fold(0, |wrong, value| wrong | is_wrong(value))
        == 0
}

/// The first parameter or running statistic that holds NaN or an infinity, by its name and value.
pub fn not_finite(graph: &Graph, weights: &Weights) -> Option<String> {
    if all_finite(weights.trainable()) && all_finite(weights.buffers()) {
        return None;
    }
    graph.parameters().iter().find_map(|parameter| {
        let value = weights
            .of(parameter)
            .iter()
            .find(|value| !value.is_finite())?;
        Some(format!("a value of {} is {value}", parameter.name()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Builder, ImageShape};

    #[test]
    fn one_value_at_any_place_is_found() {
        for wrong in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in 0..70 {
                let mut values = [f32::MAX, f32::MIN, 0.0, -1e-42, 1.0].repeat(14);
                assert!(all_finite(&values));
                values[place] = wrong;
                assert!(!all_finite(&values), "{wrong} at {place}");
            }
        }
        assert!(all_finite(&[]));
    }

    #[test]
    fn a_parameter_or_a_statistic_is_named() {
        let mut net = Builder::new(ImageShape {
            channels: 1,
            height: 4,
            width: 4,
        });
        let spec = crate::Convolution::square(3, 3);
        let x = net.convolution("stem", net.input(), spec).unwrap();
        let x = net.batch_norm("norm", x, 1e-3, 0.1).unwrap();
        let x = net.average_pool(x).unwrap();
        let graph = net.finish(&[x]).unwrap();
        let mut weights = Weights::initial(&graph, 1);
        assert_eq!(not_finite(&graph, &weights), None);
        weights.buffers_mut()[4] = f32::INFINITY;
        let found = not_finite(&graph, &weights).unwrap();
        assert_eq!(found, "a value of norm.running_var is inf");
        weights.trainable_mut()[2] = f32::NAN;
        let found = not_finite(&graph, &weights).unwrap();
        assert_eq!(found, "a value of stem.weight is NaN");
    }
}
