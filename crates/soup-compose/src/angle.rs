//! Sine and cosine that are the same on every machine.
//!
//! The standard library's come from the platform and differ in the last bit. These are Taylor
//! polynomials on an eighth of the circle, made of exactly rounded operations only.

use std::f64::consts::PI;

/// Cosine and sine of an angle in degrees.
pub(super) fn rotation(degrees: f32) -> [f32; 2] {
    let degrees = f64::from(degrees);
    let quarters = (degrees / 90.0 + 0.5).floor();
    // Within an eighth of the circle on both sides of 0.
    let angle = (degrees - 90.0 * quarters) * (PI / 180.0);
    let square = angle * angle;
    let mut sine = 0.0;
    let mut cosine = 0.0;
    // Horner's scheme from the smallest term on: 1 - x^2/((n+1)(n+2)) * (1 - ...).
    for term in (0..8).rev() {
        let n = f64::from(2 * term);
        cosine = 1.0 - square / ((n + 1.0) * (n + 2.0)) * cosine;
        sine = 1.0 - square / ((n + 2.0) * (n + 3.0)) * sine;
    }
    sine *= angle;
    let [cosine, sine] = match quarters.rem_euclid(4.0) as u8 {
        0 => [cosine, sine],
        1 => [-sine, cosine],
        2 => [-cosine, -sine],
        _ => [sine, -cosine],
    };
    [cosine as f32, sine as f32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_standard_library() {
        for step in -8000..8000 {
            let degrees = step as f32 * 0.1;
            let [cosine, sine] = rotation(degrees);
            let angle = f64::from(degrees).to_radians();
            assert!((f64::from(cosine) - angle.cos()).abs() < 1e-7, "{degrees}");
            assert!((f64::from(sine) - angle.sin()).abs() < 1e-7, "{degrees}");
        }
        assert_eq!(rotation(90.0), [0.0, 1.0].map(|x: f32| x));
        assert_eq!(rotation(180.0)[0], -1.0);
    }
}
