//! Global pools.

use soup_graph::{Activation, Convolution};

use crate::{check::check, input, norm};

/// From the mean over the smooth maximum to the maximum, of a plain map and of one with batch norm
/// and activation pending.
#[test]
fn pools_of_any_sharpness() {
    for sharpness in [0.0, 1e-6, 0.5, 30.0, f32::INFINITY] {
        let mut net = input(2, 5, 7);
        let x = net.input();
        let x = net.convolution("a", x, Convolution::square(19, 3)).unwrap();
        let one = net.log_sum_exp_pool(x, sharpness).unwrap();
        let x = norm(&mut net, "n", x);
        let x = net.activation(x, Activation::Silu);
        let two = net.log_sum_exp_pool(x, sharpness).unwrap();
        check(
            &format!("pool {sharpness}"),
            &net.finish(&[one, two]).unwrap(),
            3,
        );
    }
}

/// A learned sharpness and attention, of plain maps and of ones with something pending; one map that is
/// attended to by itself and by another.
#[test]
fn pools_that_learn_and_attend() {
    for (power, temperature) in [(0.0, 0.0), (0.7, 1.0), (4.0, 3.0), (-2.0, f32::INFINITY)] {
        let mut net = input(2, 5, 7);
        let x = net.input();
        let x = net.convolution("a", x, Convolution::square(19, 3)).unwrap();
        let plain = net.power_pool("plain", x, power).unwrap();
        let y = norm(&mut net, "n", x);
        let y = net.activation(y, Activation::Silu);
        let pending = net.power_pool("pending", y, power).unwrap();
        let own = net.attention_pool(x, x, temperature, 0.4, 1.0).unwrap();
        // Which score is the largest may depend on its last digits, and with it the whole output.
        let from = if temperature.is_infinite() { y } else { x };
        let other = net.attention_pool(from, y, temperature, 1.0, 0.0).unwrap();
        let to = if temperature.is_infinite() { y } else { x };
        let back = net.attention_pool(y, to, temperature, 1.0, 0.5).unwrap();
        let sum = net.add(&[own, other, back]).unwrap();
        let graph = net.finish(&[plain, pending, sum]).unwrap();
        check(&format!("pool {power} {temperature}"), &graph, 3);
    }
}
