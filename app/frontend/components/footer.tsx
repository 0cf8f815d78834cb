import { ThemeSwitch } from "@/components/theme-switch";
import type { Translate } from "@/words";

export function Footer({ t }: { t: Translate }) {
  return (
    <footer className="footer">
      <div className="footer-inner">
        <span>{t("site.title")}</span>
        <ThemeSwitch />
      </div>
    </footer>
  );
}
