"""Run workflows on the package workflows-emulator: a JSON object on each line of the input, one on each line of the output."""
import json
import logging
import sys

import yaml
from jsonschema import ValidationError, validate
from workflows_emulator.main import WORKFLOW_SCHEMA, execute_workflow
from workflows_emulator.utils import WorkflowError

logging.disable(logging.CRITICAL)


def plain(value):
    """What it hands out are maps of its own."""
    return json.loads(json.dumps(value, default=str))


def run(source, argument):
    config = yaml.safe_load(source)
    try:
        validate(config, WORKFLOW_SCHEMA)
        schema = None
    except ValidationError as error:
        schema = f"{'/'.join(map(str, error.path))}: {error.message}"
    try:
        outcome = {"result": plain(execute_workflow(config, {"args": argument}))}
    except WorkflowError as error:
        outcome = {"error": plain(error.payload)}
    except Exception as error:
        outcome = {"crash": f"{type(error).__name__}: {error}"}
    return {"schema": schema, **outcome}


for line in sys.stdin:
    asked = json.loads(line)
    print(json.dumps(run(asked["source"], asked["argument"])), flush=True)
