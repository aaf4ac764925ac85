// How another service of the team submits documents and answers, with the right to invoke one function:
//   node desk.ts submit document.txt [id]
//   node desk.ts answer ID ann yes|no
//   node desk.ts show ID
import { readFile } from "node:fs/promises";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";

const [action, subject = "", ...rest] = process.argv.slice(2);
console.log(JSON.stringify(await call(await request()), null, 2));

async function request(): Promise<object> {
  switch (action) {
    case "submit": {
      const input = { document: await readFile(subject, "utf8") };
      // the same id twice is one execution
      return {
        op: "start",
        flow: "review",
        input,
        ...(rest[0] === undefined ? {} : { id: rest[0] }),
      };
    }
    case "answer": {
      const value = { approved: rest[1] === "yes", by: rest[0] };
      return { op: "answer", executionId: subject, wait: "approve", value };
    }
    case "show":
      return { op: "get", executionId: subject };
    default:
      console.error("Say what to do: submit FILE [ID], answer ID NAME yes|no, show ID");
      process.exit(1);
  }
}

async function call(payload: object): Promise<unknown> {
  const lambda = new LambdaClient();
  const { Payload, FunctionError } = await lambda.send(
    new InvokeCommand({ FunctionName: "kitaru-review-api", Payload: JSON.stringify(payload) }),
  );
  const text = Buffer.from(Payload ?? []).toString();
  if (FunctionError !== undefined) throw new Error(text);
  const reply = JSON.parse(text) as { ok: boolean; result?: unknown; error?: { message: string } };
  if (reply.ok) return reply.result;
  console.error(reply.error?.message);
  process.exit(1);
}
