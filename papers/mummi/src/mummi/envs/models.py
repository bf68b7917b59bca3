"""Touch sensors for dm_control's own models, added to their XML in memory when a task is loaded (card 4.4)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

TOUCH_SENSORS: Mapping[str, tuple[str, ...]] = {
    "walker": ("left_foot_touch", "right_foot_touch"),
    "cheetah": ("back_foot_touch", "front_foot_touch"),
    "quadruped": ("front_left_touch", "front_right_touch", "back_left_touch", "back_right_touch"),
    "ball_in_cup": ("cup_bottom_touch",),
}
"""The added sensors in the order of the `touch` observation (card 4.3). The finger feels logarithms of its own two."""
COUNTING_CONTACTS = ("walker", "cheetah", "quadruped", "finger")
"""Domains whose observations hold `n_contact`."""

CUP_CAMERAS = (
    {"pos": "0 -1 .4", "xyaxes": "1 0 0 0 0 1"},
    {"pos": "0 1 .4", "xyaxes": "-1 0 0 0 0 1"},
    {"pos": "0 -1 .8", "xyaxes": "1 0 0 0 1 2"},
    {"pos": "0 1 .8", "xyaxes": "-1 0 0 0 -1 2"},
)
"""They replace dm_control's two, so that camera 0 is the low one in front."""


def model_of(domain: str) -> tuple[str, dict[str, bytes]]:
    """The XML of a domain's model with its touch sensors, and the files that it includes."""
    suite = import_module(f"dm_control.suite.{domain}")
    common = import_module("dm_control.suite.common")
    if domain == "quadruped":
        xml = suite.make_model(floor_size=suite._DEFAULT_TIME_LIMIT * suite._WALK_SPEED)
    else:
        xml = suite.get_model_and_assets()[0]
    return with_touch(domain, xml), common.ASSETS


def with_touch(domain: str, xml: str | bytes) -> str:
    """A model's XML with the sites and sensors of card 4.4; what else is in it stays as it is."""
    model = fromstring(xml)
    sites = ADDITIONS[domain](model) if domain in ADDITIONS else ()
    if sites:
        sensors = model.find("sensor")
        if sensors is None:
            sensors = SubElement(model, "sensor")
        for name, site in zip(TOUCH_SENSORS[domain], sites, strict=True):
            SubElement(sensors, "touch", name=name, site=site)
    return tostring(model, encoding="unicode")


def walker(model: Element) -> tuple[str, ...]:
    """An ellipsoid under each foot; sites of the walker's class are hidden (group 3)."""
    SubElement(part(model, "default", "class", "walker"), "site", type="ellipsoid", group="3")
    feet = ("left_foot", "right_foot")
    for foot in feet:
        add_site(model, foot, f"{foot}_touch", pos="0.01 0 -0.06", size="0.15 0.05 0.02")
    return tuple(f"{foot}_touch" for foot in feet)


def cheetah(model: Element) -> tuple[str, ...]:
    """A sphere at the end of each foot."""
    add_site(model, "bfoot", "back_foot_touch", type="sphere", group="4", pos="0.06 0 -0.197", size="0.084")
    add_site(model, "ffoot", "front_foot_touch", type="sphere", group="4", pos="0.09 0 -0.14", size="0.084")
    return "back_foot_touch", "front_foot_touch"


def quadruped(model: Element) -> tuple[str, ...]:
    """Its toes have sites already."""
    return tuple(f"toe_{leg}" for leg in ("front_left", "front_right", "back_left", "back_right"))


def ball_in_cup(model: Element) -> tuple[str, ...]:
    """A flat ellipsoid inside the cup's bottom, and four cameras in place of two."""
    world = next(model.iter("worldbody"))
    for camera in world.findall("camera"):
        world.remove(camera)
    for number, view in enumerate(CUP_CAMERAS):
        SubElement(world, "camera", {"name": f"cam{number}", **view})
    add_site(model, "cup", "cup_bottom", type="ellipsoid", group="3", pos="0 0 -0.092", size="0.03 0.01 0.005")
    return ("cup_bottom",)


def add_site(model: Element, body: str, name: str, **attributes: str) -> None:
    """A site of that name in a body."""
    SubElement(part(model, "body", "name", body), "site", {"name": name, **attributes})


def part(model: Element, tag: str, attribute: str, value: str) -> Element:
    """The element of that tag and attribute. ValueError where the installed dm_control has none."""
    found = model.find(f".//{tag}[@{attribute}='{value}']")
    if found is None:
        raise ValueError(f"dm_control's model has no {tag} of {attribute} {value!r}")
    return found


ADDITIONS = {"walker": walker, "cheetah": cheetah, "quadruped": quadruped, "ball_in_cup": ball_in_cup}
