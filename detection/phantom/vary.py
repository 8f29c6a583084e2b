"""The same story with another patient, X-ray system and motion, drawn from wide ranges."""

from __future__ import annotations

from dataclasses import replace

from numpy.random import Generator, default_rng

from detection.phantom.attenuation import Cement
from detection.phantom.chain import DOSE_NGY, Chain, Dose
from detection.phantom.script import Gap, Scene
from detection.phantom.vertebra import LEVELS
from detection.vocabulary import Intensity, View


def vary(scene: Scene, seed: int, *, is_exam: bool = False) -> Scene:
    """The same story with another patient, X-ray system and motion, drawn from wide ranges.

    Exam scenes come from other seeds and somewhat wider ranges than those used for development.
    """
    rng = default_rng([seed, 2 + is_exam])
    wide = 1.25 if is_exam else 1.0
    is_ap = scene.view is View.AP
    size = int(rng.choice([512, 512, 1024] if is_exam else [512]))
    intensity = [Intensity.LINEAR, Intensity.LOG, Intensity.DISPLAY][int(rng.choice(3, p=[0.5, 0.2, 0.3]))]
    chain = Chain(
        kvp=float(rng.uniform(70, 85) if is_ap else rng.uniform(85, 110)),
        cement=Cement.ZIRCONIA if rng.random() < 0.3 else Cement.BARIUM_20,
        dose_ngy=float(rng.uniform(20 / wide, 60)),
        scatter_to_primary=float(rng.uniform(0.5, 1.0) if is_ap else rng.uniform(1.0, 2.2 * wide)),
        blur_px=float(rng.uniform(0.7, 1.2 * wide)) * size / 512,
        lag=float(rng.uniform(0.02, 0.1)),
        recursion=float(rng.uniform(0.4 / wide, 1.0)),
        control_s=float(rng.uniform(0.3, 1.0)),
        vignetting=float(rng.uniform(0.0, 0.25)),
        field=str(rng.choice(["full", "round", "blades"])),
        intensity=intensity,
        bits=8 if intensity is Intensity.DISPLAY else int(rng.choice([10, 12, 14])),
        # the LUT of a logarithmic object leads back to intensity, which is never inverted (PS3.3 C.8.7.1)
        is_inverted=bool(rng.random() < 0.15) and intensity is not Intensity.LOG,
    )
    drawn = replace(
        scene,
        seed=seed,
        size=(size, size),
        mm_per_px=float(rng.uniform(0.22, 0.3)) * 512 / size,
        frame_rate=float(rng.choice([7.5, 10.0, 15.0])),
        level=str(rng.choice(LEVELS[1:-1])),
        is_mirrored=bool(rng.random() < 0.5),
        height_loss=float(rng.uniform(0.0, 0.4 * wide)),
        motion=replace(
            scene.motion, breathing_mm=float(rng.uniform(0.5, 2.5 * wide)), breaths_per_min=float(rng.uniform(12, 20))
        ),
        chain=chain,
    )
    return hardened(drawn, default_rng([seed, 4 + is_exam]), wide)


def hardened(scene: Scene, rng: Generator, wide: float) -> Scene:
    """The scene with the confounders that any procedure may bring, each in some of the draws."""
    motion, chain = scene.motion, _hard_chain(scene, rng, wide)
    hammer_from = float(rng.uniform(4.0, 9.0))
    if rng.random() < 0.15 and not motion.hammer_mm:
        hammer_mm = float(rng.uniform(1.0, 2.5 * wide))
        motion = replace(motion, hammer_mm=hammer_mm, hammer_s=(hammer_from, hammer_from + 3.0))
    needle_mm = float(rng.uniform(0.4, 1.5 * wide))
    if rng.random() < 0.3 and not motion.needle_mm:
        motion = replace(motion, needle_mm=needle_mm)
    gaps = _gaps(scene, rng)
    lysis_mm = float(rng.uniform(4.0, 7.0 * wide))
    is_lytic = rng.random() < 0.15
    is_doubled = rng.random() < 0.5 and scene.frame_rate >= 15
    return replace(
        scene,
        motion=motion,
        chain=chain,
        gaps=scene.gaps or gaps,
        lysis_mm=lysis_mm if is_lytic and not scene.lysis_mm else scene.lysis_mm,
        n_repeats=2 if is_doubled and scene.n_repeats == 1 else scene.n_repeats,
    )


def _hard_chain(scene: Scene, rng: Generator, wide: float) -> Chain:
    """Dose level, cement, thickness of the patient, intensifier, display and compression."""
    chain, is_ap = scene.chain, scene.view is View.AP
    low, high = DOSE_NGY[list(Dose)[int(rng.choice(3, p=[0.3, 0.45, 0.25]))]]
    cement = list(Cement)[int(rng.choice(3, p=[0.5, 0.15, 0.35]))]
    thick_kvp, thick_scatter = float(rng.uniform(85, 95)), float(rng.uniform(1.2, 1.8 * wide))
    is_thick, is_veiled = rng.random() < 0.25, rng.random() < 0.3
    glare, sharpening, rim_px = rng.uniform(0.05, 0.13 * wide), rng.uniform(0.3, 1.8 * wide), rng.uniform(1.5, 4.0)
    middle, steepness = rng.uniform(0.54, 0.68), rng.uniform(6.0, 11.0)
    quality, is_lossy = int(rng.integers(60, 93)), rng.random() < 0.5
    if is_thick:
        kvp, scatter = (thick_kvp, thick_scatter) if is_ap else (thick_kvp + 25, thick_scatter + 1.2)
        chain = replace(chain, kvp=kvp, scatter_to_primary=scatter)
    if chain.intensity is Intensity.DISPLAY:
        chain = replace(chain, sharpening=float(sharpening), rim_px=float(rim_px) * scene.size[0] / 512)
        chain = replace(chain, curve=(float(middle), float(steepness)), jpeg_quality=quality if is_lossy else None)
    return replace(
        chain, cement=cement, dose_ngy=float(rng.uniform(low, high)), glare=float(glare) if is_veiled else 0.0
    )


def _gaps(scene: Scene, rng: Generator) -> tuple[Gap, ...]:
    """In a quarter of scenes the foot leaves the pedal once or twice after cement has begun."""
    n_gaps = int(rng.choice(3, p=[0.75, 0.15, 0.1]))
    first_s = scene.start_s + 4.0
    starts = sorted(rng.uniform(first_s, max(first_s, scene.duration_s - 5.0), n_gaps))
    return tuple(
        Gap(from_s=float(at), until_s=float(at + rng.uniform(0.8, 2.5)), is_held=bool(rng.random() < 0.5))
        for at in starts
    )
