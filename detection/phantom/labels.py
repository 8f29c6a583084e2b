"""What makes a scene hard, in words: the rows of the scorecard's table of confounders."""

from __future__ import annotations

from detection.phantom.attenuation import Cement
from detection.phantom.script import Scene
from detection.vocabulary import Intensity, View


def confounders_of(scene: Scene) -> frozenset[str]:
    """Everything in a scene that looks like cement, hides it or moves it."""
    found = {str(obstacle.kind).replace("_", " ") for obstacle in scene.obstacles}
    found |= {word for word, is_there in _of_motion(scene).items() if is_there}
    found |= {word for word, is_there in _of_chain(scene).items() if is_there}
    return frozenset(found)


def _of_motion(scene: Scene) -> dict[str, bool]:
    motion, swings = scene.motion, scene.swings
    return {
        "breathing over 2 mm": motion.breathing_mm > 2,
        "hammering": motion.hammer_mm > 0,
        "needle motion": motion.needle_mm > 0,
        "table move": motion.table_at_s is not None,
        "view swap": any((swing.view or scene.view) is not scene.view for swing in swings),
        "zoom or C-arm turn": any(swing.zoom != 1 or swing.roll_deg or swing.primary_deg for swing in swings),
        "pedal gap": any(not gap.is_held for gap in scene.gaps),
        "last image held": any(gap.is_held for gap in scene.gaps),
        "repeated frames": scene.n_repeats > 1,
        "lytic body": scene.lysis_mm > 0,
        "wedge body": scene.height_loss > 0.25,
    }


def _of_chain(scene: Scene) -> dict[str, bool]:
    chain = scene.chain
    is_display = chain.intensity is Intensity.DISPLAY
    return {
        "thick patient": chain.kvp > (85 if scene.view is View.AP else 110),
        "faint cement": chain.cement is Cement.BARIUM_7,
        "glare": chain.glare > 0,
        "strong recursive filter": chain.recursion < 0.5,
        "display curve": is_display,
        "edge enhancement": is_display and chain.sharpening > 0.8,
        "lossy JPEG": chain.jpeg_quality is not None,
        "low dose": chain.dose == "low",
    }
