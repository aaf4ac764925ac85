"""moto as a server that really runs what it is given: Step Functions executions with JSONata, and Lambda
functions as Node processes. Usage: moto_server.py PORT, with NODE (program) and FAULTS (file of what is to go wrong) in the environment.

Every patch below replaces something moto leaves out or stubs out; each says what.
"""

import copy
import hashlib
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile

PORT = sys.argv[1]
HERE = os.path.dirname(os.path.abspath(__file__))
NODE = os.environ["NODE"]

# read by moto while it is imported
os.environ["MOTO_PORT"] = PORT  # service integrations call back to this server
for key, value in {
    "AWS_ACCESS_KEY_ID": "emulated",
    "AWS_SECRET_ACCESS_KEY": "emulated",
    "AWS_DEFAULT_REGION": "us-east-1",
}.items():
    os.environ.setdefault(key, value)

from moto.core.config import default_user_config  # noqa: E402

default_user_config["stepfunctions"] = {"execute_state_machine": True}
default_user_config["lambda"] = {"use_docker": False}

import moto.awslambda.models as lambda_models  # noqa: E402
import moto.stepfunctions.models as sfn_models  # noqa: E402
import moto.stepfunctions.parser.asl.component.common.retry.retrier_decl as retrier_decl  # noqa: E402
import moto.stepfunctions.parser.asl.jsonata.jsonata as jsonata  # noqa: E402
from moto.awslambda_simple.models import (  # noqa: E402
    LambdaSimpleBackend,
    lambda_simple_backends,
)
from moto.core.responses import ActionResult  # noqa: E402
from moto.server import main  # noqa: E402
from moto.stepfunctions.models import StateMachine  # noqa: E402
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (  # noqa: E402,E501
    StateTaskServiceSfn,
)
from moto.stepfunctions.parser.models import (  # noqa: E402
    StepFunctionsParserBackend,
    stepfunctions_parser_backends,
)
from moto.stepfunctions.responses import StepFunctionResponse  # noqa: E402


class LineProcess:
    """A Node process that answers one JSON line with one JSON line, one at a time."""

    def __init__(self, args, env=None, cwd=None):
        self.process = subprocess.Popen(
            [NODE, *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            cwd=cwd,
            text=True,
        )
        self.lock = threading.Lock()

    @property
    def is_gone(self):
        return self.process.poll() is not None

    def ask(self, question):
        """The answer, or None when the process ended instead."""
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else None


chance = random.Random(os.environ.get("SEED", "1"))


def faults():
    """What a test wants to go wrong at the moment."""
    with open(os.environ["FAULTS"]) as file:
        return json.load(file)


# ---- Lambda: a pool of processes for each version of a function's code, one invocation a process at a time


class Lambdas:
    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="kitaru-lambda-")
        self.idle = {}
        self.all = []
        self.lock = threading.Lock()

    def invoke(self, function, event, request_id):
        key = self.key_of(function)
        process = self.take(key) or self.start(function, key)
        timeout = float(function.timeout or 3)
        seconds = self.seconds_to_live(timeout)
        timer = threading.Timer(seconds, process.process.kill)
        timer.start()
        answer = process.ask({"event": event, "context": self.context_of(function, request_id)})
        timer.cancel()
        if answer is None:
            code = process.process.wait()
            if seconds < timeout:
                with self.lock, open(os.environ["FAULTS"] + ".killed", "a") as killed:
                    killed.write(f"{function.function_name}\n")
            return {
                "errorType": "Runtime.ExitError",
                "errorMessage": f"RequestId: {request_id} Error: Runtime exited: {code}",
            }, True
        with self.lock:
            self.idle.setdefault(key, []).append(process)
        return answer["result"], answer["failed"]

    def seconds_to_live(self, timeout):
        """Until its timeout, or less: `kills` is the share of invocations that are killed."""
        with self.lock:
            if chance.random() < faults().get("kills", 0):
                return chance.uniform(0, chance.choice([0.05, 0.05, 0.5]))  # before, in and between calls, on slow machines too
        return timeout

    def key_of(self, function):
        environment = json.dumps(function.environment_vars or {}, sort_keys=True)
        return hashlib.sha1(function.code_bytes + environment.encode()).hexdigest() + function.function_arn

    def take(self, key):
        with self.lock:
            waiting = self.idle.get(key, [])
            while waiting:
                process = waiting.pop()
                if not process.is_gone:
                    return process
        return None

    def start(self, function, key):
        folder = os.path.join(self.root, hashlib.sha1(function.code_bytes).hexdigest())
        with self.lock:
            if not os.path.isdir(folder):
                with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
                    archive.extractall(folder)
        env = {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{PORT}",
            "AWS_REGION": "us-east-1",
            # who has signed a request tells which function's role it is
            "AWS_ACCESS_KEY_ID": re.sub(r"[^A-Za-z0-9]", "", function.function_name),
            "AWS_SECRET_ACCESS_KEY": "emulated",
            "FAULTS": os.environ["FAULTS"],
            "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
            **(function.environment_vars or {}),
        }
        runner = os.path.join(HERE, "lambda-runner.mjs")
        process = LineProcess([runner, folder, function.handler], env=env, cwd=folder)
        with self.lock:
            self.all.append(process)
        return process

    @staticmethod
    def context_of(function, request_id):
        return {
            "awsRequestId": request_id,
            "functionName": function.function_name,
            "invokedFunctionArn": function.function_arn,
            "memoryLimitInMB": str(function.memory_size),
            "timeoutMs": int(function.timeout or 3) * 1000,
        }

    def close(self):
        for process in self.all:
            process.process.kill()


lambdas = Lambdas()


def invoke(self, function_name, qualifier, body, headers, response_headers):
    """Replaces a backend that answers every invocation with a fixed text."""
    function = self.get_function(function_name, qualifier)
    event = json.loads(body) if body else {}
    kind = next((v for k, v in dict(headers or {}).items() if k.lower() == "x-amz-invocation-type"), "")
    if kind == "Event":
        threading.Thread(target=invoke_later, args=(function, event), daemon=True).start()
        return b""
    result, failed = lambdas.invoke(function, event, str(uuid.uuid4()))
    if failed:
        response_headers["x-amz-function-error"] = "Unhandled"
    return json.dumps(result).encode()


def invoke_later(function, event):
    """An asynchronous invocation is tried three times, as Lambda does, without its delays of minutes."""
    for _ in range(3):
        _, failed = lambdas.invoke(function, event, str(uuid.uuid4()))
        if not failed:
            return
        time.sleep(0.2)


LambdaSimpleBackend.invoke = invoke
lambda_models.lambda_backends = lambda_simple_backends  # also for functions that CloudFormation creates


# ---- JSONata: moto has a stub; the reference implementation evaluates instead


class Jsonata:
    def __init__(self):
        self.process = None
        self.lock = threading.Lock()

    def evaluate(self, expression):
        with self.lock:
            if self.process is None:
                self.process = LineProcess([os.path.join(HERE, "jsonata-runner.mjs")], env=dict(os.environ))
            answer = self.process.ask(expression)
        if "code" in answer:
            raise jsonata.JSONataException(answer["code"], answer["message"])
        return answer["result"]


evaluator = Jsonata()
jsonata._eval_jsonata = evaluator.evaluate


# ---- Step Functions


class HastyTime:
    """Retries of a state wait a twentieth as long as they are told to."""

    @staticmethod
    def sleep(seconds):
        time.sleep(seconds / 20)


retrier_decl.time = HastyTime


def deepcopy_machine(self, memo):
    """A machine that has run once holds locks, which cannot be copied: the second start failed."""
    other = copy.copy(self)
    other.executions = []
    return other


StateMachine.__deepcopy__ = deepcopy_machine
sfn_models.stepfunctions_backends = stepfunctions_parser_backends  # machines of CloudFormation execute too


def validate_definition(self):
    """Missing in moto."""
    try:
        StepFunctionsParserBackend._validate_definition(self._get_param("definition"))
        return json.dumps({"result": "OK", "diagnostics": [], "truncated": False})
    except Exception as error:
        message = str(getattr(error, "message", error))
        diagnostic = {"severity": "ERROR", "code": "SCHEMA_VALIDATION_FAILED", "message": message, "location": "/"}
        return json.dumps({"result": "FAIL", "diagnostics": [diagnostic], "truncated": False})


StepFunctionResponse.validate_state_machine_definition = validate_definition
describe_in_moto = StepFunctionResponse.describe_execution


def describe_execution(self):
    """A text as output must be JSON, quotes and all."""
    described = describe_in_moto(self)
    result = described._result if hasattr(described, "_result") else described.result
    execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
    if isinstance(getattr(execution, "output", None), str) and "output" in result:
        result["output"] = json.dumps(execution.output)
    return ActionResult(result)


StepFunctionResponse.describe_execution = describe_execution
normalise_in_moto = StateTaskServiceSfn._normalise_parameters


def normalise_parameters(self, parameters, boto_service_name=None, service_action_name=None):
    """moto has lost the conversion of case between ASL and the client."""
    normalise_in_moto(
        self, parameters=parameters, boto_service_name=boto_service_name, service_action_name=service_action_name
    )
    for key in list(parameters):
        parameters[key[0].lower() + key[1:]] = parameters.pop(key)


def normalise_response(self, response, boto_service_name=None, service_action_name=None):
    for key in list(response):
        response[key[0].upper() + key[1:]] = response.pop(key)


StateTaskServiceSfn._normalise_parameters = normalise_parameters
StateTaskServiceSfn._normalise_response = normalise_response


def stop(*_):
    lambdas.close()
    if evaluator.process is not None:
        evaluator.process.process.kill()
    os._exit(0)


signal.signal(signal.SIGTERM, stop)
main(["-H", "127.0.0.1", "-p", PORT])
