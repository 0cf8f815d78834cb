import type { ReactNode } from "react";

/** A few numbers, large, each with its name. */
export function Figures({ items }: { items: { name: string; value: ReactNode; more?: string }[] }) {
  return (
    <dl className="figures">
      {items.map(({ name, value, more }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value}
            {more && <span className="small">{more}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
