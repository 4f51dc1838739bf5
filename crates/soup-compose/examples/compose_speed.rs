//! Images composed per second on one core, without writing them.
//!
//! `cargo run --release -p soup-data --example compose_speed -- [GLYPHS]`

use std::time::{Duration, Instant};

use soup_compose::{ComposeConfig, Composer, glyphs::GlyphSpec};

#[expect(clippy::print_stdout, reason = "the result of the program")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = std::env::args().nth(1);
    let spec: GlyphSpec = text.as_deref().unwrap_or("strokes").parse()?;
    let composer = Composer::new(ComposeConfig::default(), spec.open()?)?;
    let mut pixels = vec![0; composer.shape().len()];
    // The best of several short runs: other programs share the machine.
    let mut best = Duration::MAX;
    for run in 0..8 {
        let start = Instant::now();
        for index in 0..250 {
            composer.compose(run, index, &mut pixels)?;
        }
        best = best.min(start.elapsed());
    }
    println!("{spec}: {:.0} images/s", 250.0 / best.as_secs_f64());
    Ok(())
}
