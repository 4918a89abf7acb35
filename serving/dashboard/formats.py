"""How numbers, money, dates and ages are written in the current language."""

from datetime import UTC, date, datetime, timedelta

from babel.dates import format_date, format_datetime, format_timedelta
from babel.numbers import format_currency, format_decimal

from serving.dashboard.language import _, language, locale

MISSING = "–"  # noqa: RUF001 - a dash for what is not there
UNITS = (("day", 86400), ("hour", 3600), ("minute", 60))


def known(value: float | None) -> bool:
    """Whether a value is there and not NaN."""
    return value is not None and value == value  # noqa: PLR0124 - NaN


def number(value: float | None, digits: int = 0, sign: str = "") -> str:
    """Number with separators between thousands; `sign` "+" shows it always."""
    if value is None or not known(value):
        return MISSING
    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return format_decimal(_rounded(value, digits), f"+{pattern};-{pattern}" if sign else pattern, locale())


def money(value: float | None, digits: int = 0, *, code: str | None = None) -> str:
    """Amount in a currency, such as EUR; without a code the number alone."""
    if value is None or not known(value) or not code:
        return number(value, digits)
    pattern = locale().currency_formats["standard"].pattern.split(";")[0]
    pattern = pattern.replace("0.00", "0." + "0" * digits if digits else "0")
    return format_currency(_rounded(value, digits), code, pattern, locale(), currency_digits=False)


def share(value: float | None, digits: int = 1, sign: str = "") -> str:
    """Share (0 to 1) in per cent."""
    if value is None or not known(value):
        return MISSING
    return number(100 * value, digits, sign) + ("%" if language() == "zh" else "\N{NO-BREAK SPACE}%")


def day(value: date) -> str:
    """Date in the form that the language uses."""
    return format_date(value, "medium", locale())


def minute(moment: datetime) -> str:
    """Date and time to the minute, UTC."""
    return f"{day(moment.date())} {format_datetime(moment, 'HH:mm', locale=locale())} UTC"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    seconds = max((now - moment.replace(tzinfo=moment.tzinfo or UTC)).total_seconds(), 0)
    for unit, length in UNITS:
        if seconds >= length:
            gone = timedelta(seconds=-(seconds // length) * length)
            text = format_timedelta(gone, unit, threshold=1e9, add_direction=True, locale=locale())  # type: ignore[arg-type]
            return str(text)
    return _("just now")


def _rounded(value: float, digits: int) -> float:
    """Value without a minus before a zero."""
    return round(value, digits) + 0.0
