"""Plausible values from a parameter's name: names, places, addresses, words, and ranges of numbers.

Names, companies, streets, countries and places come from Faker, drawn once into small pools with a fixed seed,
since one draw takes up to a millisecond. Faker's sentences and products mean nothing, so those are written here.
Another version of Faker may give other names.
"""

from __future__ import annotations

import base64
import re
import string
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from orchestrator.generation.cells.chance import Chance

if TYPE_CHECKING:
    from faker import Faker

_POOL = 150
_LONGEST = 24
_FIRST_DAY = date(2026, 1, 1)
_DAYS = 730


class Span(NamedTuple):
    """A plausible range of numbers."""

    low: int
    high: int
    decimals: int = 0
    place: str = ""
    """"latitude" or "longitude" if the number comes from a list of places."""


def kind_of(name: str, description: str, form: str = "") -> str:
    """The kind of a text, a key for `text_of`: from a known `format`, else the name, else the description."""
    if form in _FORMATS:
        return _FORMATS[form]
    words = _words(name)
    for kind, wanted in _KINDS:
        if any(_is_in(phrase, words) for phrase in wanted):
            return kind
    said = _words(description)[:12]
    for kind, wanted in _KINDS:
        if kind not in _BY_NAME_ONLY and any(_is_in(phrase, said) for phrase in wanted):
            return kind
    return "person" if "name" in words else "word"


def is_known_format(form: str) -> bool:
    """Whether this `format` is supported."""
    return form in _FORMATS


def span_of(name: str, description: str, *, integer: bool) -> Span:
    """A range for a number without one, from its name and description; 1 to 100 if they don't help."""
    words = _words(name)
    for wanted, span in _SPANS:
        if any(_is_in(phrase, words) for phrase in wanted):
            return span._replace(decimals=0, place="") if integer else span
    told = re.search(r"\b(\d{1,6})\s*(?:-|–|to|and)\s*(\d{1,6})\b", description)
    if told and int(told[1]) < int(told[2]):
        return Span(int(told[1]), int(told[2]))
    said = _words(description)
    for wanted, span in _SPANS:
        if any(_is_in(phrase, said) for phrase in wanted):
            return span._replace(decimals=0, place="") if integer else span
    return Span(1, 100)


def text_of(kind: str, random: Chance) -> str:
    """A text of this kind."""
    make = _MAKERS.get(kind)
    return make(random) if make else random.choice(pool_of(kind))


def places() -> tuple[tuple[str, float, float], ...]:
    """Towns with latitude and longitude, in degrees."""
    return _places()


@lru_cache(maxsize=1)
def _places() -> tuple[tuple[str, float, float], ...]:
    from faker.providers.geo import Provider

    towns = ((town[2], town[0], town[1]) for town in Provider.land_coords)
    return tuple(
        (name, round(float(latitude), 4), round(float(longitude), 4))
        for name, latitude, longitude in towns
        if name.isascii() and len(name) <= 16
    )


@cache
def pool_of(kind: str) -> tuple[str, ...]:
    """Texts of one kind to draw from, without duplicates."""
    if kind in _WRITTEN:
        return _WRITTEN[kind]
    if kind == "city":
        return tuple(dict.fromkeys(name for name, _, _ in _places()))
    if kind in _BY_FAKER:
        return _drawn(_BY_FAKER[kind])
    random = Chance(f"pool {kind}".encode())
    return tuple(dict.fromkeys(_MAKERS[kind](random) for _ in range(_POOL)))


def _drawn(provider: str) -> tuple[str, ...]:
    fake = _faker()
    fake.seed_instance(provider)
    drawn = (str(getattr(fake, provider)()) for _ in range(_POOL))
    return tuple(dict.fromkeys(text for text in drawn if len(text) <= _LONGEST and " Suite" not in text)) or ("x",)


@lru_cache(maxsize=1)
def _faker() -> Faker:
    from faker import Faker

    return Faker("en_US", use_weighting=False)


@lru_cache(maxsize=4096)
def _words(text: str) -> tuple[str, ...]:
    """The words of a name or a description in lower case: `homeCity` and `home_city` are home, city."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text[:400])
    return tuple(re.findall(r"[a-z0-9]+", apart.lower()))


def _is_in(phrase: str, words: tuple[str, ...]) -> bool:
    return phrase in words if " " not in phrase else f" {phrase} " in f" {' '.join(words)} "


def _person(random: Chance) -> str:
    return f"{random.choice(pool_of('first_name'))} {random.choice(pool_of('last_name'))}"


def _email(random: Chance) -> str:
    first, last = random.choice(pool_of("first_name")), random.choice(pool_of("last_name"))
    host = random.choice(("com", "org", "net"))
    return f"{first}{random.choice(('.', '_', ''))}{last}@example.{host}".lower()


def _url(random: Chance) -> str:
    path = random.choice(("", "/", f"/{_slug(random)}", f"/{_slug(random)}/{random.randint(1, 99)}"))
    return f"https://{_hostname(random)}{path}"


def _hostname(random: Chance) -> str:
    return f"{_slug(random)}.example.{random.choice(('com', 'org', 'net'))}"


def _slug(random: Chance) -> str:
    return random.choice(_WRITTEN["word"]).replace(" ", "-")


def _day(random: Chance) -> str:
    return (_FIRST_DAY + timedelta(days=random.below(_DAYS))).isoformat()


def _clock(random: Chance) -> str:
    return f"{random.randint(6, 22):02}:{random.choice((0, 0, 15, 30, 45)):02}"


def _digits(random: Chance, count: int) -> str:
    return "".join(random.choices(string.digits, count))


def _id(random: Chance) -> str:
    return f"{''.join(random.choices('ABCDEFGHJKLMNPRSTUVWXYZ', 2))}-{random.randint(1000, 9999)}"


_MAKERS: Mapping[str, Callable[[Chance], str]] = {
    "person": _person,
    "email": _email,
    "url": _url,
    "uri-reference": lambda random: f"/{_slug(random)}/{random.randint(1, 99)}",
    "hostname": _hostname,
    "date": _day,
    "time": _clock,
    "full-time": lambda random: f"{_clock(random)}:00Z",
    "date-time": lambda random: f"{_day(random)}T{_clock(random)}:00Z",
    "duration": lambda random: random.choice(("PT{}M", "PT{}H", "P{}D")).format(random.randint(1, 45)),
    "uuid": lambda random: str(UUID(int=random.below(1 << 128), version=4)),
    "ipv4": lambda random: f"192.168.{random.randint(0, 31)}.{random.randint(1, 254)}",
    "ipv6": lambda random: f"2001:db8::{random.randint(1, 0xFFFF):x}",
    "phone": lambda random: f"+1-555-{_digits(random, 3)}-{_digits(random, 4)}",
    "postcode": lambda random: str(random.randint(10000, 99950)),
    "id": _id,
    "username": lambda random: f"{random.choice(pool_of('first_name')).lower()}{random.randint(1, 99)}",
    "file": lambda random: f"{_slug(random)}.{random.choice(('pdf', 'txt', 'csv', 'png', 'docx'))}",
    "path": lambda random: f"/{_slug(random)}/{_slug(random)}",
    "json-pointer": lambda random: f"/{_slug(random)}/{random.randint(0, 9)}",
    "regex": lambda random: f"^{_slug(random)}$",
    "base64": lambda random: base64.b64encode(_slug(random).encode()).decode(),
    "title": lambda random: (
        f"{random.choice(_WRITTEN['adjective'])} {random.choice(_WRITTEN['word'])}".capitalize()
    ),
    "version": lambda random: f"{random.randint(0, 9)}.{random.randint(0, 20)}.{random.randint(0, 9)}",
}

_FORMATS = {
    **{form: form for form in ("date", "date-time", "email", "uuid", "ipv4", "ipv6", "hostname", "duration")},
    **{form: form for form in ("uri-reference", "json-pointer", "regex")},
    "time": "full-time",
    "uri": "url",
    "url": "url",
    "iri": "url",
    "iri-reference": "uri-reference",
    "idn-email": "email",
    "idn-hostname": "hostname",
    "byte": "base64",
    "phone": "phone",
}
_BY_FAKER = {
    "first_name": "first_name",
    "last_name": "last_name",
    "company": "company",
    "street": "street_address",
    "country": "country",
    "job": "job",
}
_WRITTEN: Mapping[str, tuple[str, ...]] = {
    "word": (
        *("anchor", "atlas", "beacon", "birch", "blue lake", "bridge", "canyon", "cedar", "cobalt", "comet"),
        *("copper", "coral", "delta", "dolphin", "dune", "eagle", "echo", "ember", "falcon", "fjord", "garden"),
        *("glacier", "granite", "harbour", "hazel", "horizon", "island", "ivory", "jade", "juniper", "lantern"),
        *("lemon", "lotus", "maple", "marble", "meadow", "mirror", "moon", "north star", "oak", "ocean", "olive"),
        *("onyx", "orbit", "orchid", "otter", "pebble", "pepper", "pine", "planet", "prairie", "quartz", "raven"),
        *("reef", "river", "robin", "ruby", "saffron", "sage", "sierra", "silver", "sparrow", "spring", "stone"),
        *("summit", "sunrise", "thunder", "tiger", "topaz", "tulip", "valley", "velvet", "violet", "walnut"),
        *("willow", "winter", "wolf", "zephyr"),
    ),
    "adjective": (
        "annual",
        "new",
        "quick",
        "weekly",
        "final",
        "green",
        "second",
        "early",
        "shared",
        "open",
        "small",
    ),
    "product": (
        *("desk lamp", "running shoes", "coffee grinder", "wireless mouse", "office chair", "water bottle"),
        *("rain jacket", "headphones", "notebook", "bicycle pump", "phone case", "electric kettle", "backpack"),
        *("yoga mat", "keyboard", "garden hose", "wool blanket", "power bank", "espresso cups", "tent"),
        *("cutting board", "monitor stand", "umbrella", "hiking boots", "alarm clock", "toaster", "sunglasses"),
    ),
    "food": (
        *("margherita pizza", "chicken curry", "lentil soup", "apple pie", "caesar salad", "sushi", "pancakes"),
        *("tomato pasta", "veggie burger", "fish tacos", "fried rice", "mushroom risotto", "falafel wrap"),
    ),
    "message": (
        *(
            "I will be ten minutes late.",
            "Please call me back today.",
            "The parcel has arrived.",
            "See you at noon.",
        ),
        *("Thanks for your help!", "The meeting moved to Friday.", "Can you bring the keys?", "Dinner is ready."),
        *("The report is finished.", "Don't forget the tickets.", "We are out of milk.", "I am on my way home."),
        *("Happy birthday, Sam!", "The train is delayed.", "Please send me the invoice.", "All tests passed."),
        *(
            "The server is down again.",
            "Let's meet at the station.",
            "My flight lands at six.",
            "Good luck tomorrow!",
        ),
        *(
            "The heating is broken.",
            "I approve the budget.",
            "Please water the plants.",
            "The doctor will call you.",
        ),
    ),
    "query": (
        *("cheap flights to Rome", "vegan recipes", "weather this weekend", "best hiking trails", "used bicycles"),
        *("how to tie a tie", "science museums", "jazz concerts", "quiet cafes nearby", "history of tea"),
        *("electric cars", "dog friendly hotels", "solar panels", "marathon training plan", "indoor plants"),
        *("noise cancelling headphones", "piano lessons", "second hand books", "rent a boat", "local elections"),
    ),
    "task": (
        *("buy groceries", "call the dentist", "water the plants", "pay the rent", "renew the passport"),
        *("book a table", "clean the garage", "send the invoice", "pick up the parcel", "walk the dog"),
        *("back up the laptop", "update the slides", "order printer paper", "wash the car", "write to Anna"),
    ),
    "color": (
        *("red", "blue", "green", "yellow", "white", "black", "orange", "purple", "pink", "brown", "grey"),
        *("turquoise", "navy", "gold", "silver", "beige", "crimson", "teal"),
    ),
    "currency": ("USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "SEK", "NOK", "INR", "BRL", "CNY", "PLN", "MXN"),
    "language": (
        *("English", "Spanish", "French", "German", "Italian", "Japanese", "Korean", "Portuguese", "Dutch"),
        *("Polish", "Swedish", "Turkish", "Arabic", "Hindi", "Greek", "Czech"),
    ),
    "timezone": (
        *("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Europe/London", "Australia/Sydney", "Asia/Kolkata"),
        *("America/Los_Angeles", "Africa/Nairobi", "America/Sao_Paulo", "UTC"),
    ),
    "airport": ("JFK", "LHR", "CDG", "FRA", "HND", "SFO", "AMS", "MAD", "SIN", "SYD", "YYZ", "ZRH", "DXB", "GRU"),
    "symbol": ("AAPL", "MSFT", "GOOG", "AMZN", "TSLA", "NVDA", "IBM", "SAP", "NFLX", "ORCL", "INTC", "DIS"),
    "weekday": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "month": (
        *("January", "February", "March", "April", "May", "June", "July", "August", "September", "October"),
        *("November", "December"),
    ),
    "room": ("kitchen", "bedroom", "living room", "bathroom", "office", "garage", "hallway", "attic", "basement"),
    "genre": ("jazz", "rock", "comedy", "drama", "thriller", "classical", "fantasy", "science fiction", "folk"),
    "song": (
        "Yesterday",
        "Hallelujah",
        "Imagine",
        "Blue Moon",
        "Clair de Lune",
        "Summertime",
        "Hey Jude",
        "Clocks",
    ),
    "tag": (
        "urgent",
        "family",
        "travel",
        "work",
        "health",
        "finance",
        "ideas",
        "school",
        "garden",
        "music",
        "later",
    ),
    "hashtag": ("#travel", "#music", "#news", "#garden", "#food"),
    "unit": ("km", "miles", "kg", "pounds", "litres", "hours", "minutes", "metres"),
}
# The first match decides, so narrower kinds come first.
_KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("email", ("email", "mail", "emails", "cc", "bcc")),
    ("url", ("url", "uri", "link", "website", "webpage", "href", "homepage")),
    ("date-time", ("datetime", "timestamp", "date time", "starts at", "ends at", "scheduled at")),
    ("timezone", ("timezone", "time zone", "tz")),
    ("date", ("date", "birthday", "dob", "deadline", "due", "checkin", "checkout", "check in", "check out")),
    ("weekday", ("weekday", "day of week")),
    ("month", ("month",)),
    ("first_name", ("first name", "firstname", "given name", "forename")),
    ("last_name", ("last name", "lastname", "surname", "family name")),
    ("username", ("username", "user name", "login", "handle", "nickname")),
    ("file", ("file", "filename", "document", "attachment")),
    ("path", ("path", "directory", "folder")),
    ("company", ("company", "employer", "organization", "organisation", "vendor", "supplier", "brand", "merchant")),
    ("product", ("product", "item", "sku", "article", "goods")),
    ("food", ("food", "dish", "meal", "recipe", "ingredient", "cuisine")),
    ("room", ("room", "zone")),
    ("airport", ("airport", "iata")),
    ("symbol", ("ticker", "symbol", "stock")),
    ("color", ("color", "colour")),
    ("currency", ("currency",)),
    ("language", ("language", "lang")),
    ("phone", ("phone", "telephone", "mobile", "fax")),
    ("postcode", ("postcode", "postal code", "zip", "zipcode", "zip code")),
    ("country", ("country", "nation", "nationality")),
    ("street", ("street", "address", "addresses")),
    ("city", ("city", "town", "location", "place", "destination", "origin", "region", "from city", "venue")),
    ("genre", ("genre",)),
    ("song", ("song", "track", "tune")),
    ("job", ("job", "profession", "occupation", "position", "role")),
    (
        "person",
        ("person", "recipient", "contact", "customer", "author", "attendee", "attendees", "assignee", "owner"),
    ),
    ("person", ("passenger", "guest", "patient", "employee", "student", "sender", "member", "artist", "full name")),
    ("title", ("title", "subject", "headline", "event", "topic")),
    ("task", ("task", "todo", "reminder")),
    ("query", ("query", "search", "keyword", "keywords", "question", "term")),
    ("message", ("message", "text", "body", "content", "note", "notes", "comment", "comments", "reason", "sms")),
    ("message", ("description", "summary", "instructions", "feedback", "caption")),
    ("tag", ("tag", "tags", "label", "labels", "category")),
    ("uuid", ("uuid", "guid")),
    ("ipv4", ("ip", "ip address")),
    ("hostname", ("host", "hostname", "domain", "server")),
    ("version", ("version",)),
    ("time", ("time", "clock", "when")),
    ("unit", ("unit", "units")),
    ("id", ("id", "identifier", "code", "number", "reference", "ids", "key")),
)
_BY_NAME_ONLY = frozenset(
    ("id", "message", "time", "unit", "tag", "title", "query", "path", "room", "person", "task", "version", "month")
)
_SPANS: tuple[tuple[tuple[str, ...], Span], ...] = (
    (("latitude", "lat"), Span(-90, 90, 4, "latitude")),
    (("longitude", "lon", "lng", "long"), Span(-180, 180, 4, "longitude")),
    (("percent", "percentage", "volume", "brightness", "humidity", "progress"), Span(0, 100)),
    (("year",), Span(2020, 2030)),
    (("month",), Span(1, 12)),
    (("day",), Span(1, 28)),
    (("hour",), Span(0, 23)),
    (("minute", "second"), Span(0, 59)),
    (("age",), Span(18, 80)),
    (("temperature", "celsius"), Span(-10, 35)),
    (("tilt", "pitch"), Span(-90, 90)),
    (("pan", "yaw", "roll", "angle", "rotation", "offset"), Span(-180, 180)),
    (("heading", "bearing", "hue"), Span(0, 359)),
    (("price", "amount", "cost", "budget", "fee", "balance", "salary", "total"), Span(5, 500, 2)),
    (("rating", "stars", "score"), Span(1, 5, 1)),
    (("probability", "ratio", "fraction", "opacity", "confidence", "threshold"), Span(0, 1, 2)),
    (("port",), Span(1024, 9999)),
    (
        ("quantity", "count", "limit", "guests", "people", "passengers", "copies", "size", "top", "page"),
        Span(1, 20),
    ),
    (("width", "height", "length", "weight", "distance", "radius", "depth"), Span(1, 150)),
    (("altitude", "elevation", "duration", "timeout", "delay", "seconds", "minutes"), Span(5, 120)),
    (("speed", "velocity"), Span(5, 80)),
    (("id", "number", "code"), Span(100, 9999)),
)
