"""What a page cannot show, by the answer that it gets; any other PurseError is an empty state with what to do."""

from datetime import date

from pipelines.errors import PurseError
from serving.dashboard.language import _


class UnknownChoice(PurseError):  # noqa: N818 - a wrong question, no fault
    """Nobody can be chosen by this."""


class Unavailable(PurseError):  # noqa: N818 - said of a service
    """Something that the page is about does not answer."""


class UnknownVersion(PurseError):  # noqa: N818 - a wrong question, no fault
    """No such version is registered."""


class UnknownUser(PurseError):  # noqa: N818 - a wrong question, no fault
    """There is no score of this user."""

    def __init__(self, user_id: str, snapshot: date) -> None:
        text = _(
            "There is no score of the user '%(user_id)s' in the snapshot of %(day)s. Check the id: upper and lower "
            "case and leading zeros count. A user who came later is scored by the next score_daily; the API scores "
            "anybody at once from their rows (POST /v1/score).",
            user_id=user_id,
            day=snapshot,
        )
        super().__init__(text)
        self.user_id = user_id
