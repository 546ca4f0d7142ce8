"""A sensitive action asks for the password again if the sign-in is too old."""

from collections.abc import Mapping
from types import MappingProxyType

from dashboard.core.errors import Forbidden

CONFIRMATION = "This needs a sign-in within the last 30 minutes. Your entries are kept."
NOTHING: Mapping[str, str] = MappingProxyType({})


class ConfirmationNeeded(Forbidden):
    """The last sign-in was too long ago for this action. `wrong` says by field why the entered values are not
    accepted."""

    code = "confirmation_needed"

    def __init__(self, wrong: Mapping[str, str] = NOTHING, *, status: int = 403) -> None:
        super().__init__(CONFIRMATION)
        self.wrong, self.status = wrong, status
