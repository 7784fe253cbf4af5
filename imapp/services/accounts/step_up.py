"""The second factor for operators in actions for which other users need only an ordinary session.

Knowing the password must not suffice to take over an operator's account (by changing the password) or to erase it.
"""

from imapp.database.transactions import atomic
from imapp.errors import SecondFactorRequiredError, WrongCodeError
from imapp.extensions import settings
from imapp.services.accounts import attempts, authentication, second_factor
from imapp.services.accounts.authentication import Actor


def require_proof(actor: Actor, code: str | None) -> None:
    """Require a valid code from an operator that has not proved the second factor recently; let other users pass.

    Raises SecondFactorRequiredError, SecondFactorEnrolmentRequiredError, WrongCodeError, RateLimitedError.
    """
    if not actor.is_operator or not settings.admin_second_factor or authentication.has_proved(actor):
        return
    authentication.require_enrolled(actor.user_id)
    if code is None:
        raise SecondFactorRequiredError
    with attempts.counted("second_factor_per_account", actor.user_id):
        if atomic(second_factor.accept, actor.user_id, code) is None:
            raise WrongCodeError
