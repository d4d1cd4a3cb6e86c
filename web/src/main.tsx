import './styles.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { applyTheme } from './hooks/useTheme';
import { Providers } from './Providers';

applyTheme();

const root = document.getElementById('root');
if (root === null) throw new Error('index.html has an element with the id "root"');
createRoot(root).render(
  <StrictMode>
    <Providers>
      <App />
    </Providers>
  </StrictMode>,
);
