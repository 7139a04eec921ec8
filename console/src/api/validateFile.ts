import { fileDesc } from '@bufbuild/protobuf/codegenv2';

// The build puts this in the place of the generated file that describes the
// validation rules. The server checks them; here they would only be weight,
// about a tenth of the first load. What is left is the file's name and package,
// so that the files which import it still link.
const name = 'buf/validate/validate.proto';
const pkg = 'buf.validate';

function field(number: number, text: string): string {
  return String.fromCharCode((number << 3) | 2, text.length) + text;
}

/** Describes the file buf/validate/validate.proto without its contents. */
export const file_buf_validate_validate = fileDesc(btoa(field(1, name) + field(2, pkg)));
