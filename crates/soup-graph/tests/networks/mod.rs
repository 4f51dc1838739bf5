//! A network with every operation there is.

use soup_graph::{Activation, Builder, Convolution, Graph, ImageShape, Padding};

pub const SHAPE: ImageShape = ImageShape {
    channels: 3,
    height: 16,
    width: 12,
};

/// Its outputs are two logits and a map.
pub fn everything() -> Graph {
    let mut net = Builder::new(SHAPE);
    let x = net
        .convolution("stem", net.input(), Convolution::square(8, 3).stride(2))
        .unwrap();
    let x = net.batch_norm("bn", x, 1e-3, 0.1).unwrap();
    let x = net.activation(x, Activation::Gelu);
    let y = net
        .convolution("depthwise", x, Convolution::depthwise(8, 5).with_bias())
        .unwrap();
    let y = net.activation(y, Activation::Mish);
    let squeezed = net.average_pool(y).unwrap();
    let squeezed = net.pointwise("reduce", squeezed, 3, true).unwrap();
    let squeezed = net.activation(squeezed, Activation::Relu);
    let squeezed = net.pointwise("expand", squeezed, 8, true).unwrap();
    let squeezed = net.activation(squeezed, Activation::Sigmoid);
    let y = net.scale(y, squeezed).unwrap();
    let y = net.drop_path(y, 0.25);
    let y = net.activation(y, Activation::Silu);
    let x = net.add(&[x, y]).unwrap();
    let x = net.activation(x, Activation::Hardswish);
    // Even sides, so that there is a zero more behind than before.
    let same = Convolution::depthwise(8, 5)
        .stride(2)
        .padding(Padding::Same)
        .with_bias();
    let x = net.convolution("same", x, same).unwrap();
    let x = net.activation(x, Activation::Relu6);
    let x = net.max_pool(x, 3, 2, 1).unwrap();
    let x = net.dropout(x, 0.5);
    let soft = net.log_sum_exp_pool(x, 4.0).unwrap();
    let mean = net.log_sum_exp_pool(x, 0.0).unwrap();
    let hard = net.log_sum_exp_pool(x, f32::INFINITY).unwrap();
    let power = net.power_pool("pool", x, 1.5).unwrap();
    let residual = net.attention_pool(x, x, 1.0, 0.3, 1.0).unwrap();
    let scores = net
        .convolution("scores", x, Convolution::square(8, 1).with_bias())
        .unwrap();
    let attended = net
        .attention_pool(scores, x, f32::INFINITY, 1.0, 0.0)
        .unwrap();
    let queried = net.attention_pool(scores, x, 2.0, 1.0, 0.0).unwrap();
    let pools = [soft, mean, hard, power, residual, attended, queried];
    let sum = net.add(&pools).unwrap();
    let logits = net.linear("fc", sum, 2, false).unwrap();
    net.finish(&[logits, x]).unwrap()
}
