import type { Key } from "@/words";

export const ACCEPTED = [".txt", ".text", ".md", ".markdown", ".pdf", ".docx"];
const MIB = 1024 * 1024;

/** What is wrong with a file, known before a byte is sent. The backend looks at the content itself. */
export function uploadProblem(file: { name: string; size: number }, maxMb: number): Key | undefined {
  if (!ACCEPTED.some((suffix) => file.name.toLowerCase().endsWith(suffix))) return "upload.wrongType";
  if (file.size === 0) return "upload.empty";
  return file.size > maxMb * MIB ? "upload.tooLarge" : undefined;
}
