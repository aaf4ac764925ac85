import { crc32, deflateRawSync } from "node:zlib";

/** Put files into a zip archive. The same files give the same names, sizes and times. */
export function zipOf(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const contents: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, bytes] of files) {
    const packed = deflateRawSync(bytes);
    const common = commonHeader(crc32(bytes), packed.byteLength, bytes.byteLength, name);
    const local = Buffer.concat([signature(0x04034b50), common, Buffer.from(name), packed]);
    contents.push(local);
    directory.push(centralHeader(common, offset), Buffer.from(name));
    offset += local.byteLength;
  }
  const central = Buffer.concat(directory);
  return Buffer.concat([...contents, central, end(files.size, central.byteLength, offset)]);
}

/** Names are UTF-8, data is deflated. */
const version = 20;
const utf8 = 0x0800;
const deflated = 8;
/** The first day the format knows, 1980-01-01, so that an archive does not depend on when it is made. */
const firstDay = 0x21;

/** What both headers of a file say; the length of an extra field, which is none, comes last. */
function commonHeader(crc: number, packed: number, size: number, name: string): Buffer {
  const header = Buffer.alloc(26);
  header.writeUInt16LE(version, 0);
  header.writeUInt16LE(utf8, 2);
  header.writeUInt16LE(deflated, 4);
  header.writeUInt16LE(firstDay, 8);
  header.writeUInt32LE(crc, 10);
  header.writeUInt32LE(packed, 14);
  header.writeUInt32LE(size, 18);
  header.writeUInt16LE(Buffer.byteLength(name), 22);
  return header;
}

function centralHeader(common: Buffer, offset: number): Buffer {
  const made = Buffer.alloc(2);
  made.writeUInt16LE(version);
  const rest = Buffer.alloc(14);
  rest.writeUInt32LE(offset, 10);
  return Buffer.concat([signature(0x02014b50), made, common, rest]);
}

function end(count: number, directoryBytes: number, offset: number): Buffer {
  const record = Buffer.alloc(18);
  record.writeUInt16LE(count, 4);
  record.writeUInt16LE(count, 6);
  record.writeUInt32LE(directoryBytes, 8);
  record.writeUInt32LE(offset, 12);
  return Buffer.concat([signature(0x06054b50), record]);
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
