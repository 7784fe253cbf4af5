"""Asking an operator for the second factor where an ordinary session would do for others.

The password alone must not take an operator's account over, by changing it, or erase it.
"""

from imapp.database import atomic
from imapp.errors import SecondFactorRequiredError, WrongCodeError
from imapp.extensions import settings
from imapp.services import access, attempts, second_factor
from imapp.services.access import Actor


def require_proof(actor: Actor, code: str | None) -> None:
    """Let everybody pass but an operator who has not proved the second factor lately and brings no right code.

    Raises SecondFactorRequiredError, SecondFactorEnrolmentRequiredError, WrongCodeError, RateLimitedError.
    """
    if not actor.is_operator or not settings.admin_second_factor or access.has_proved(actor):
        return
    access.require_enrolled(actor.user_id)
    if code is None:
        raise SecondFactorRequiredError
    with attempts.counted("second_factor_per_account", actor.user_id):
        if atomic(second_factor.accept, actor.user_id, code) is None:
            raise WrongCodeError
