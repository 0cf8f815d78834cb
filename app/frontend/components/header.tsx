import Link from "next/link";
import { LocaleSwitch } from "@/components/locale-switch";
import { LogoutButton } from "@/components/logout-button";
import { NavLink } from "@/components/nav-link";
import { navOf } from "@/lib/nav";
import type { User } from "@/lib/types";
import type { Translate } from "@/words";

/** The top of every page. It runs on the server and, on the static home page, in the browser. */
export function Header({ user, t }: { user: User | null; t: Translate }) {
  return (
    <header className="header">
      <div className="header-inner">
        <Link href="/" className="wordmark" aria-label={`${t("site.name")}, ${t("nav.home")}`}>
          <span>{t("site.name")}</span>
        </Link>
        {user && (
          <nav className="nav" aria-label={t("nav.label")}>
            <ul>
              {navOf(user.role).map(({ href, label }) => (
                <li key={href}>
                  <NavLink href={href}>{t(label)}</NavLink>
                </li>
              ))}
            </ul>
          </nav>
        )}
        <div className="header-end">
          <LocaleSwitch />
          {user ? (
            <>
              <span className="account small soft" title={user.email}>
                <span className="visually-hidden">{t("nav.account", { name: "" })}</span>
                {user.name}
              </span>
              <LogoutButton />
            </>
          ) : (
            <NavLink href="/login">{t("nav.login")}</NavLink>
          )}
        </div>
      </div>
    </header>
  );
}
