"use client";
import { useState } from "react";
import { api } from "@/lib/client/api";
import { useWords } from "@/words/client";

export function LogoutButton() {
  const { t } = useWords();
  const [busy, setBusy] = useState(false);
  async function logOut() {
    setBusy(true);
    try {
      await api("DELETE", "/api/session");
      // A full load: nothing of the session stays in the browser's memory.
      window.location.assign("/");
    } catch {
      setBusy(false);
    }
  }
  return (
    <button type="button" className="link" aria-disabled={busy} onClick={() => !busy && void logOut()}>
      {t("nav.logout")}
    </button>
  );
}
