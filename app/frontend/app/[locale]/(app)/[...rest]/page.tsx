import { notFound } from "next/navigation";

/** Every address that is nothing: without this page Next would answer in no language of ours. */
export default function Rest() {
  notFound();
}
