"use client";

/** When not even the layout can be made. No language is known here, so both are spoken. */
export default function GlobalError({ error }: { error: Error & { digest?: string } }) {
  return (
    <html lang="fr">
      <body style={{ font: "1.0625rem/1.6 system-ui, sans-serif", maxWidth: "34rem", margin: "4rem auto", padding: "0 1rem" }}>
        <h1>AI-KO</h1>
        <p>La page n’a pas pu être affichée. Rechargez-la dans un instant.</p>
        <p lang="en">The page could not be shown. Reload it in a moment.</p>
        {error.digest && <p>{error.digest}</p>}
      </body>
    </html>
  );
}
