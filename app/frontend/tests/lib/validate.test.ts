import { describe, expect, test } from "vitest";
import { uploadProblem } from "@/lib/upload-check";
import { checkEmail, checkName, checkNewPassword, errorsOf, shareCode } from "@/lib/validate";

test("an address is refused by what it lacks, not by taste", () => {
  expect(checkEmail("")).toBe("field.required");
  expect(checkEmail("claire@")).toBe("field.email.bad");
  expect(checkEmail("claire@ecole")).toBe("field.email.bad");
  expect(checkEmail(" claire.o'neil+x@école.example ")).toBeUndefined();
});

test("a password is counted as it is, blanks included", () => {
  expect(checkNewPassword("1234567")).toBe("field.password.short");
  expect(checkNewPassword("        ")).toBeUndefined();
});

test("a name needs a letter and an end", () => {
  expect(checkName("   ")).toBe("field.required");
  expect(checkName("x".repeat(201))).toBe("field.long");
});

test("only what is wrong is reported", () => {
  expect(errorsOf({ name: undefined, email: "field.required" })).toEqual({ email: "field.required" });
});

describe("a share code", () => {
  test.each([
    ["nxF7omQytBcK", "nxF7omQytBcK"],
    ["  a-B_1  ", "a-B_1"],
    ["https://aiko.example.com/join/nxF7omQytBcK", "nxF7omQytBcK"],
    ["aiko.example.com/join/nxF7omQytBcK/?utm=1#top", "nxF7omQytBcK"],
  ])("is found in %o", (typed, code) => {
    expect(shareCode(typed)).toBe(code);
  });

  test.each(["", "two words", "..", "é"])("is not found in %o", (typed) => {
    expect(shareCode(typed)).toBeUndefined();
  });
});

describe("a file, before it is sent", () => {
  const mib = 1024 * 1024;
  test.each([
    ["a.png", 10, "upload.wrongType"],
    ["pdf", 10, "upload.wrongType"],
    ["a.pdf", 0, "upload.empty"],
    ["a.PDF", 20 * mib, undefined],
    ["a.pdf", 20 * mib + 1, "upload.tooLarge"],
    ["cours.final.docx", 10, undefined],
  ])("%s of %d bytes: %s", (name, size, expected) => {
    expect(uploadProblem({ name, size }, 20)).toBe(expected);
  });
});
