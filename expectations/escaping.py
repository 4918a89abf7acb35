"""Escape every text of a validation result in Data Docs; Great Expectations escapes only some of them.

Great Expectations escapes the parameters of a rule, but not the values in a cell and not a description. Escaping twice
would show "&lt;" to the reader, so the characters of HTML are replaced before the rendering by placeholders that no
renderer changes, and the placeholders by entities in the finished page.
"""

import html
from typing import Any

from great_expectations.core import ExpectationSuiteValidationResult
from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema
from great_expectations.render import RenderedDocumentContent
from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
from great_expectations.render.view.view import DefaultJinjaPageView

SPECIAL = "<>&\"'$"
"""Characters with a meaning in HTML or in the templates of Great Expectations."""

FIRST_PLACEHOLDER = 0xFDD0
"""First of 32 code points that Unicode never assigns to a character."""

CONDITION = "row_condition"
"""Argument that Great Expectations parses; it holds a column, a comparison and a number of a rule, and no data."""

PLACEHOLDERS = str.maketrans({char: chr(FIRST_PLACEHOLDER + place) for place, char in enumerate(SPECIAL)})
ENTITIES = str.maketrans(
    {
        chr(FIRST_PLACEHOLDER + place): html.escape(char) if html.escape(char) != char else f"&#{ord(char)};"
        for place, char in enumerate(SPECIAL)
    }
)


class SafeRenderer(ValidationResultsPageRenderer):
    """Renderer of a validation result whose texts are replaced by placeholders first.

    >>> result = ExpectationSuiteValidationResult(success=True, results=[], suite_name="<b>", statistics={}, meta={})
    >>> SafeRenderer().render(result).page_title.translate(ENTITIES)
    'Validations / &lt;b&gt; / __none__'
    """

    def render(
        self, validation_results: ExpectationSuiteValidationResult, suite_parameters: dict[str, Any] | None = None
    ) -> RenderedDocumentContent:
        """Render a result with placeholders for the characters of HTML."""
        plain = protected(validation_results.to_json_dict())
        return super().render(expectationSuiteValidationResultSchema.load(plain), suite_parameters)


class SafeView(DefaultJinjaPageView):
    """View that puts entities in the place of the placeholders.

    >>> result = ExpectationSuiteValidationResult(success=True, results=[], suite_name="<b>", statistics={}, meta={})
    >>> page = SafeView().render(SafeRenderer().render(result))
    >>> "&lt;b&gt;" in page, "<b>" in page
    (True, False)
    """

    def render(self, document: RenderedDocumentContent, template: str | None = None, **kwargs: object) -> str:
        """Render a document as a page of HTML."""
        return str(super().render(document, template, **kwargs)).translate(ENTITIES)


def protected(value: Any) -> Any:  # noqa: ANN401  # any JSON value, and one of the same kind
    """Replace the characters of HTML in every text of a JSON value by placeholders, keys included.

    >>> protected({"a": ["<b>", 1]})["a"][0].translate(ENTITIES)
    '&lt;b&gt;'
    """
    if isinstance(value, str):
        return value.translate(PLACEHOLDERS)
    if isinstance(value, dict):
        return {protected(key): part if key == CONDITION else protected(part) for key, part in value.items()}
    return [protected(part) for part in value] if isinstance(value, list) else value
