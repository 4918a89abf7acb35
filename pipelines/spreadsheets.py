"""Texts in files that people open in a spreadsheet."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

UNSAFE = r"^[\s\p{C}]*[=+\-@\t\r\n＝＋－＠]"  # noqa: RUF001 - a spreadsheet reads the wide forms too
"""What a spreadsheet takes for a formula at the start of a cell (RE2 syntax); see OWASP, CSV injection."""


def safe(texts: "pd.Series") -> "pd.Series":
    """Put an apostrophe before texts that a spreadsheet would take for formulas.

    >>> import pandas as pd
    >>> safe(pd.Series(["=1+1", "u-7", "-7"])).tolist()
    ["'=1+1", 'u-7', "'-7"]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    unsafe = pc.match_substring_regex(pa.array(texts, pa.string()), UNSAFE).to_numpy(zero_copy_only=False)
    return texts.mask(unsafe.astype(bool), "'" + texts)
