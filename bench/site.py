"""The product's application with one endpoint more: it signs in and reads JSON like the others, and does nothing.

Gunicorn serves this instead of `wsgi:app`; the product itself has no such endpoint.
"""

from flask import Response
from pydantic import BaseModel

from dashboard.api import idempotency, inputs
from dashboard.api.routes import answer, blueprint
from wsgi import app

PATH = "/api/v1/null"

api = blueprint("null")


class Asked(inputs.Body):
    operation: str
    amount_micros: int
    description: str
    idempotency_key: str


class Answered(BaseModel):
    operation: str


@api.post("/null")
@idempotency.own_row
def null(body: Asked) -> Response:
    return answer(Answered(operation=body.operation), 201)


app.register_blueprint(api)
app.extensions["csrf"].exempt(api)
