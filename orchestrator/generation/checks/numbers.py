"""Numbers in requests: digits in any common format, number words, fractions, and units that convert.

Number words are read by text2num (https://text2num.readthedocs.io) in the languages it supports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isclose

from orchestrator.generation.checks.spoken import folded, word_set

LANGUAGES_WITH_NUMBER_WORDS = frozenset({"en", "fr", "es", "pt", "de", "it", "nl", "da"})
"""Languages of text2num. In others only digits are read."""

_MOST_DEVIATION = 0.05
"""A value rounded after conversion may differ from the exact one by this share."""


@dataclass(frozen=True)
class Unit:
    """A unit of measurement: `factor` of the dimension's base unit, from zero at `offset`."""

    dimension: str
    factor: float
    offset: float = 0.0
    said: str = ""
    """Its plural in English, for templates."""


@dataclass(frozen=True)
class Quantity:
    """A number in a request."""

    readings: tuple[float, ...]
    """The possible values without sign: `1,500` is 1500 or 1.5."""
    sign: int
    """-1 after a minus, 1 after a plus, else 0."""
    side: int
    """-1 before south or west, 1 before north or east, else 0."""
    units: tuple[Unit, ...]
    """Its unit; several if a letter is ambiguous, none if no unit follows."""
    place: float
    """The value of its last digit: 1 of `30`, 0.01 of `2.25`."""
    before: str
    """The word before it."""


# Exact factors: NIST Special Publication 811 (2008), appendix B.8; the US gallon, the international pound and foot.
_UNITS: tuple[tuple[str, float, str, str], ...] = (
    ("length", 1.0, "metres", "m metre metres meter meters mtr metern metro metros metri"),
    (
        "length",
        1000.0,
        "kilometres",
        "km kms kilometre kilometres kilometer kilometers kilometro kilometros chilometri "
        "chilometro quilometro quilometros kilometern",
    ),
    ("length", 0.01, "centimetres", "cm centimetre centimetres centimeter centimeters centimetros centimetri"),
    ("length", 0.001, "millimetres", "mm millimetre millimetres millimeter millimeters milimetros"),
    ("length", 1609.344, "miles", "mi mile miles meilen milles millas miglia mijl"),
    ("length", 0.9144, "yards", "yd yds yard yards"),
    ("length", 0.3048, "feet", "ft foot feet fuß fuss pieds pies piedi pes voet"),
    ("length", 0.0254, "inches", "inch inches zoll pouces pulgadas pollici"),
    ("length", 1852.0, "nautical miles", "nmi"),
    (
        "mass",
        1.0,
        "kilograms",
        "kg kgs kilo kilos kilogram kilograms kilogramme kilogramm kilogrammes kilogramos chili",
    ),
    ("mass", 0.001, "grams", "g gram grams gramme gramm grammes gramos grammi gramas"),
    ("mass", 1e-6, "milligrams", "mg milligram milligrams"),
    ("mass", 0.45359237, "pounds", "lb lbs pound pounds"),
    ("mass", 0.028349523125, "ounces", "oz ounce ounces"),
    ("mass", 1000.0, "tonnes", "tonne tonnes"),
    (
        "time",
        1.0,
        "seconds",
        "s sec secs second seconds sekunde sekunden seconde secondes seconden segundo segundos secondi secondo",
    ),
    ("time", 0.001, "milliseconds", "ms msec millisecond milliseconds millisekunden"),
    ("time", 60.0, "minutes", "min mins minute minutes minuten minuto minutos minuti minuut"),
    ("time", 3600.0, "hours", "h hr hrs hour hours stunde stunden heure heures hora horas ore uur"),
    ("time", 86400.0, "days", "day days tag tage tagen jour jours dia dias giorni giorno dag dagen"),
    ("time", 604800.0, "weeks", "week weeks woche wochen semaine semaines semana semanas settimane weken"),
    ("months", 1.0, "months", "month months monat monate monaten mois mes meses mesi maanden"),
    ("months", 12.0, "years", "year years jahr jahre jahren ans annees anos anni jaar"),
    ("speed", 1 / 3.6, "kilometres per hour", "kmh kph kmph"),
    ("speed", 0.44704, "miles per hour", "mph"),
    ("speed", 1852 / 3600, "knots", "kn kt kts knot knots knoten"),
    ("angle", 1.0, "degrees", "° deg degs degree degrees grad degre degres grado grados gradi grau graus graden"),
    ("angle", 57.29577951308232, "radians", "rad radian radians"),
    ("percent", 1.0, "percent", "% percent pct prozent pourcent procent"),
    ("volume", 1.0, "litres", "l litre litres liter liters litro litros litri litern"),
    ("volume", 0.001, "millilitres", "ml millilitre millilitres milliliter milliliters"),
    ("volume", 3.785411784, "gallons", "gal gallon gallons"),
    ("data", 1.0, "bytes", "byte bytes"),
    ("data", 1e3, "kilobytes", "kb kilobyte kilobytes"),
    ("data", 1e6, "megabytes", "mb megabyte megabytes"),
    ("data", 1e9, "gigabytes", "gb gigabyte gigabytes"),
    ("data", 1e12, "terabytes", "tb terabyte terabytes"),
    ("frequency", 1.0, "hertz", "hz hertz"),
    ("frequency", 1e3, "kilohertz", "khz kilohertz"),
    ("frequency", 1e6, "megahertz", "mhz megahertz"),
    ("power", 1.0, "watts", "watt watts"),
    ("power", 1e3, "kilowatts", "kw kilowatt kilowatts"),
    ("dollars", 1.0, "dollars", "$ usd dollar dollars"),
    ("euros", 1.0, "euros", "€ eur euro euros"),
    ("pounds", 1.0, "pounds sterling", "£ gbp"),
)
_CELSIUS = Unit("temperature", 1.0, 273.15, "degrees Celsius")
_FAHRENHEIT = Unit("temperature", 5 / 9, 459.67 * 5 / 9, "degrees Fahrenheit")
_KELVIN = Unit("temperature", 1.0, 0.0, "kelvins")
_BY_WORD: dict[str, Unit] = {
    folded(word): Unit(dimension, factor, 0.0, said)
    for dimension, factor, said, words in _UNITS
    for word in words.split()
} | {"celsius": _CELSIUS, "°c": _CELSIUS, "fahrenheit": _FAHRENHEIT, "°f": _FAHRENHEIT, "kelvin": _KELVIN}
_DEGREES = _BY_WORD["°"]
# Letters that mean a unit only after a number, and too often something else in a description.
_LETTERS = frozenset(word for word in _BY_WORD if len(word) == 1 and word.isalpha()) | {"min", "mes", "mi", "grad"}
_SIDES = dict.fromkeys(word_set("n north nord norte noord e east est este ost oost oeste_"), 1) | dict.fromkeys(
    word_set("s south sud sur sul zuid w west ouest oeste ovest"), -1
)

_HALVES = re.compile(
    r"half|quarter|dozen|couple|twice|\bonce\b|thousand|million|billion|hundred|\ban? |[½¼¾]|\dk\b"
)
_SECOND = re.compile(
    r"((?:\d|ty|teen|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|\bper|/))[ -]?second\b"
)
_SCALED = re.compile(r"(\d+(?:[.,]\d+)?) ?(hundred|thousand|million|billion|k)\b")
_SCALES = {"hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "billion": 1e9}
_FRACTIONS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bhalf (?:a |an )?dozen\b"), "6"),
    (re.compile(r"\b(?:a )?couple(?: of)?\b"), "2"),
    (re.compile(r"\btwice\b"), "2"),
    (re.compile(r"\bonce\b"), "1"),
    (re.compile(r"\bthree quarters of (?:an?|the) "), "0.75 "),
    (re.compile(r"\b(?:a )?quarter (?:of )?(?:an?|the) "), "0.25 "),
    (re.compile(r"\b(?:a )?half (?:an?|of an?) "), "0.5 "),
    (re.compile(r"\ban? half[ -]"), "0.5 "),
)
_BEHIND: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(\d+)(?: and a half\b| ?½)"), r"\g<1>.5"),
    (re.compile(r"(\d+)(?: and a quarter\b| ?¼)"), r"\g<1>.25"),
    (re.compile(r"(\d+)(?: and three quarters\b| ?¾)"), r"\g<1>.75"),
    (re.compile("½"), "0.5"),
    (re.compile("¼"), "0.25"),
    (re.compile("¾"), "0.75"),
)
_DOZEN = re.compile(r"(?:\b(\d+) |\ba )?\bdozen\b")
_ONE = re.compile(r"(?:([a-z]+) )?\ban? ([a-z]{3,})\b")
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w.,)])[-\u2212\u2013+](?=[\d.$€£])|\b(?:minus|negative|moins|menos|meno|min) )?"
    r"(?P<money>[$€£] ?)?"
    r"(?<![a-z0-9_])"
    r"(?P<digits>\d{1,3}(?:[ .,'\u2019]\d{3})+(?![\d])(?:[.,]\d+)?|\d+(?:[.,]\d+)?(?:e[-+]?\d+\b)?|\.\d+)"
    r"(?P<ordinal>st|nd|rd|th)?"
    r"(?: ?-?(?P<unit>[^\W\d_]+|[%$€£°](?: ?[cf]\b)?)\.?"
    r"(?:(?: ?/ ?| (?:per|an?|the|pro|par|por|al) | ?p/| (?=celsius|fahrenheit|miles?\b))(?P<per>[^\W\d_]+))?)?"
)
_PER = re.compile(r"^ ?(?:/|p/)|^ (?:per|an?|the|pro|par|por|al) ")


def quantities(text: str, language: str = "en") -> list[Quantity]:
    """Every number of a request, in the order of the text."""
    plain = in_digits(text, language)
    found = list(_found(plain))
    return [*found, *_sums(found)] if len(found) > 1 else found


def in_digits(text: str, language: str = "en") -> str:
    """The folded text with number words as digits, in the languages that text2num knows."""
    if language not in LANGUAGES_WITH_NUMBER_WORDS:
        return folded(text)
    from text_to_num import alpha2digit

    if language != "en":
        plain = " ".join(text.lower().split())
        if language == "pt":
            plain = plain.replace("segundos", "secs")  # else "trinta segundos" is 30 2os
        return folded(alpha2digit(plain, language, threshold=0))
    plain = folded(text)
    plain = _with_fractions(plain) if _HALVES.search(plain) else plain
    if "second" in plain:
        plain = _SECOND.sub(r"\1 seconds", plain)  # else "thirty second video" is the 32nd one
    plain = alpha2digit(plain, language, threshold=0)
    if _HALVES.search(plain):
        for pattern, digits in _BEHIND:
            plain = pattern.sub(digits, plain)
        plain = _DOZEN.sub(lambda match: str(12 * int(match.group(1) or 1)), plain)
    return plain


def _with_fractions(plain: str) -> str:
    for pattern, digits in _FRACTIONS:
        plain = pattern.sub(digits, plain)
    plain = _SCALED.sub(_scaled, plain)
    return _ONE.sub(_one, plain)


def _one(match: re.Match[str]) -> str:
    """`an hour` is 1 hour, but for `kilometres an hour`."""
    before, word = match.groups()
    return match.group() if word not in _BY_WORD or before in _BY_WORD else f"{before or ''} 1 {word}"


def _scaled(match: re.Match[str]) -> str:
    return f"{float(match.group(1).replace(',', '.')) * _SCALES[match.group(2)]:.10g}".replace("e+0", "e")


def _found(plain: str) -> Iterator[Quantity]:
    end = 0
    for match in _NUMBER.finditer(plain):
        digits, sign = match.group("digits"), (match.group("sign") or "").strip()
        unit, per, money = match.group("unit"), match.group("per"), match.group("money")
        units, side = _units_behind(unit, per, plain[match.end("unit") : match.start("per")] if per else "")
        if money:
            units = (_BY_WORD[money.strip()],)
        if not side:
            side = _SIDES.get(
                next(iter(plain[match.end("digits") :].replace("°", " ").split(None, 1)), "").strip(".,;"), 0
            )
        signed = 0 if not sign else 1 if sign == "+" else -1
        before = plain[end : match.start()].rsplit(None, 1)
        whole = Quantity(_readings(digits), signed, side, units, _place(digits), before[-1] if before else "")
        yield whole
        yield from _parts(digits, whole)
        end = match.end("digits")


def _units_behind(unit: str | None, per: str | None, between: str) -> tuple[tuple[Unit, ...], int]:
    if unit is None:
        return (), 0
    unit = unit.replace(" ", "")
    found, side = _BY_WORD.get(unit), _SIDES.get(unit, 0)
    second = _BY_WORD.get(per) if per else None
    if found and second and _PER.match(between) and (found.dimension, second.dimension) == ("length", "time"):
        return (Unit("speed", found.factor / second.factor, 0.0, f"{found.said} per {second.said[:-1]}"),), 0
    if unit == "nautical" and per in ("mile", "miles"):
        return (_BY_WORD["nmi"],), 0
    if found == _DEGREES:
        if per in ("celsius", "fahrenheit", "c", "f"):
            return (_CELSIUS if per[0] == "c" else _FAHRENHEIT,), 0
        return (_DEGREES, _CELSIUS, _FAHRENHEIT), _SIDES.get(per or "", 0)
    if unit in ("c", "f"):
        return (_CELSIUS if unit == "c" else _FAHRENHEIT,), 0
    return ((found,) if found else ()), side


def _readings(digits: str) -> tuple[float, ...]:
    plain = re.sub("[ '\u2019]", "", digits)
    marks = [each for each in plain if each in ".,"]
    if not marks or "e" in plain:
        return (float(plain.replace(",", ".")),)
    if len(set(marks)) == 2:  # the last one is the decimal mark
        other = "." if marks[-1] == "," else ","
        return (float(plain.replace(other, "").replace(",", ".")),)
    grouped = float(plain.replace(marks[0], ""))
    if len(marks) > 1:
        return (grouped,)
    decimal = float(plain.replace(",", "."))
    return (decimal, grouped) if len(plain) - plain.index(marks[0]) == 4 and plain[0] not in ".,0" else (decimal,)


def _parts(digits: str, whole: Quantity) -> Iterator[Quantity]:
    """`1 500` and `10,20` may be two numbers each."""
    if "," in digits or " " in digits:
        numbers = re.findall(r"\d+(?:\.\d+)?", digits)
        for number in numbers:
            yield Quantity((float(number),), whole.sign, 0, whole.units, _place(number), whole.before)


def _place(digits: str) -> float:
    decimals = re.search(r"[.,](\d+)$", digits)
    return 10.0 ** -len(decimals.group(1)) if decimals else 1.0


def _sums(found: list[Quantity]) -> Iterator[Quantity]:
    """`1 hour 30 minutes` is also the sum, in the smaller unit."""
    for one, two in pairwise(found):
        if len(one.units) == len(two.units) == 1 and not two.sign:
            large, small = one.units[0], two.units[0]
            if large.dimension == small.dimension and large.factor > small.factor and not small.offset:
                total = one.readings[0] * large.factor / small.factor + two.readings[0]
                yield Quantity((total,), one.sign, 0, two.units, two.place, one.before)


# --- Units of parameters, and values in them ---------------------------------------------------------------------


def units_named(words: list[str], description: str) -> tuple[Unit, ...]:
    """The units of a parameter, from the words of its name and description; () if none is named.

    A unit in the name decides (`distance_km`), then "in metres" in the description, then the units that it names.
    """
    if words and (found := _BY_WORD.get(words[-1])) and (len(words) > 1 or len(words[0]) > 2):
        return (found,)
    plain = folded(description)
    if match := re.search(
        r"\bdegrees? (celsius|fahrenheit|c|f)\b|°([cf])\b|\b(celsius|fahrenheit|kelvin)\b", plain
    ):
        first = next(each for each in match.groups() if each)[0]
        return ({"c": _CELSIUS, "f": _FAHRENHEIT, "k": _KELVIN}[first],)
    for one, per in re.findall(r"\b([a-z]+)(?: ?/ ?| per | an )([a-z]+)\b", plain):
        if (units := _units_behind(one, per, " per ")[0]) and units[0].dimension == "speed":
            return units
    named = re.findall(r"\bin ([a-z]+)\b|([^\W\d_]{2,}|%|°)", plain)
    inside = [_BY_WORD[each] for each, _ in named if each in _BY_WORD and each not in _LETTERS]
    other = [_BY_WORD[each] for _, each in named if each in _BY_WORD and each not in _LETTERS]
    return tuple(dict.fromkeys(inside or other))


def is_given(value: float, quantity: Quantity, units: tuple[Unit, ...]) -> bool:
    """Whether the number, without signs, is the value, also in another unit after rounding."""
    wanted = abs(value)
    for reading in quantity.readings:
        if not quantity.units or not units or is_on_a_side(quantity, units):
            if _is_same(reading, wanted):
                return True
        elif any(
            _converts(reading, wanted, one, other, quantity.place) for one in quantity.units for other in units
        ):
            return True
        if (
            wanted <= 1
            and any(each.dimension == "percent" for each in quantity.units)
            and (_is_same(reading / 100, wanted))
        ):
            return True
    return False


def is_on_a_side(quantity: Quantity, units: tuple[Unit, ...]) -> bool:
    """Whether the letter after a number means south, say, rather than seconds, for a parameter in these units."""
    return quantity.side != 0 and {each.dimension for each in units} <= {"angle"}


def _is_same(one: float, other: float) -> bool:
    return isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def _converts(reading: float, wanted: float, one: Unit, other: Unit, place: float) -> bool:
    if one == other or (one.factor, one.offset, one.dimension) == (other.factor, other.offset, other.dimension):
        return _is_same(reading, wanted)
    if one.dimension != other.dimension:
        return False
    found = convert(reading, one, other)
    rounding = max(_place_of(wanted), place * one.factor / other.factor) / 2
    allowed = min(rounding, _MOST_DEVIATION * wanted) if not one.offset else rounding
    return abs(found - wanted) <= allowed * (1 + 1e-9)


def convert(amount: float, one: Unit, other: Unit) -> float:
    """The amount of `one` in `other`, which must be of the same dimension."""
    return (amount * one.factor + one.offset - other.offset) / other.factor


def _place_of(value: float) -> float:
    return 1.0 if float(value).is_integer() else _place(repr(float(value)))


def other_unit(unit: Unit) -> Unit | None:
    """A common unit of the same dimension for templates; None without one."""
    return _OTHER.get(unit.said)


_OTHER: dict[str, Unit] = {
    one: _BY_WORD[other]
    for one, other in {
        "metres": "feet", "kilometres": "miles", "centimetres": "inches", "kilograms": "pounds", "grams": "ounces",
        "feet": "metres", "miles": "kilometres", "pounds": "kilograms", "kilometres per hour": "mph",
        "miles per hour": "kmh", "litres": "gallons", "degrees Celsius": "fahrenheit", "hours": "minutes",
    }.items()
}  # fmt: skip


def _listed(words: str) -> list[str]:
    return words.split()


_SMALL = _listed(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen "
    "eighteen nineteen"
)
_TENS = _listed("twenty thirty forty fifty sixty seventy eighty ninety")


def in_words(number: int) -> str:
    """An English number word, for numbers of less than a million in size."""
    if number < 0:
        return f"minus {in_words(-number)}"
    if number < 20:
        return _SMALL[number]
    if number < 100:
        tens, ones = _TENS[number // 10 - 2], number % 10
        return f"{tens}-{_SMALL[ones]}" if ones else tens
    if number < 1000:
        rest = number % 100
        return f"{_SMALL[number // 100]} hundred{f' and {in_words(rest)}' if rest else ''}"
    rest = number % 1000
    joined = f"{' and' if 0 < rest < 100 else ''} {in_words(rest)}" if rest else ""
    return f"{in_words(number // 1000)} thousand{joined}"
