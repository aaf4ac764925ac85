import {
  DeleteItemCommand,
  type DeleteItemCommandInput,
  DynamoDBClient,
  GetItemCommand,
  type GetItemCommandInput,
  type GetItemCommandOutput,
  PutItemCommand,
  type PutItemCommandInput,
  QueryCommand,
  type QueryCommandInput,
  type QueryCommandOutput,
} from "@aws-sdk/client-dynamodb";
import { type AwsClientOptions, clientConfig } from "./config.ts";

/** The part of DynamoDB this package uses. */
export interface DynamoTable {
  get(input: GetItemCommandInput): Promise<Pick<GetItemCommandOutput, "Item">>;
  put(input: PutItemCommandInput): Promise<unknown>;
  delete(input: DeleteItemCommandInput): Promise<unknown>;
  query(input: QueryCommandInput): Promise<Pick<QueryCommandOutput, "Items" | "LastEvaluatedKey">>;
  close(): void;
}

/** Open a client. Eight tries of a request: a table that has just been throttled needs a while to split. */
export function openDynamo(options: AwsClientOptions): DynamoTable {
  const client = new DynamoDBClient(clientConfig(options, { maxAttempts: 8 }));
  return {
    get: (input) => client.send(new GetItemCommand(input)),
    put: (input) => client.send(new PutItemCommand(input)),
    delete: (input) => client.send(new DeleteItemCommand(input)),
    query: (input) => client.send(new QueryCommand(input)),
    close: () => client.destroy(),
  };
}
